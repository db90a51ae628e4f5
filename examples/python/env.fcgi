#!/usr/bin/python3
"""Shows what the web server says about the request. Needs python3 and libfcgi0ldbl."""

import fcgi


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    for name, value in sorted(environ.items()):
        if isinstance(value, str):
            yield f"{name}={value}\n".encode("latin-1")


fcgi.serve(application)
