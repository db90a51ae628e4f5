#!/usr/bin/python3
"""Radicale behind FastCGI. Needs python3-radicale, libfcgi0ldbl, and examples/python/fcgi.py beside it."""

import fcgi
from radicale import application

fcgi.serve(application)
