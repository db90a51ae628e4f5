#!/usr/bin/python3
"""Radicale behind FastCGI. Needs python3-radicale and libfcgi0ldbl."""

import fcgi
from radicale import application

fcgi.serve(application)
