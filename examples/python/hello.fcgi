#!/usr/bin/python3
"""The smallest WSGI application. Needs python3 and libfcgi0ldbl."""

import fcgi

count = 0


def application(environ, start_response):
    global count
    count += 1
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"Hello from Python! This process has answered {count} requests.\n".encode()]


fcgi.serve(application)
