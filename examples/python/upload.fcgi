#!/usr/bin/python3
"""Stores the request's body, a file of 4 MiB at most. Needs python3 and libfcgi0ldbl. UPLOAD_FOLDER=… says where.

Try it with: curl --data-binary @photo.jpg http://localhost/upload.fcgi
"""

import os
import tempfile
from pathlib import Path

import fcgi

MAX_BYTES = 4 * 1024 * 1024
FOLDER = os.environ.get("UPLOAD_FOLDER")


class TooLarge(Exception):
    pass


def store(body):
    """The name of the new file. It is ours: one that a client chooses may hold anything."""
    with tempfile.NamedTemporaryFile(prefix="upload-", dir=FOLDER, delete=False) as file:
        try:
            total = 0
            while chunk := body.read(64 * 1024):
                total += len(chunk)
                if total > MAX_BYTES:
                    raise TooLarge
                file.write(chunk)
        except BaseException:
            os.unlink(file.name)
            raise
    return Path(file.name).name


def application(environ, start_response):
    try:
        status, text = "201 Created", store(environ["wsgi.input"])
    except TooLarge:
        status, text = "413 Content Too Large", "Nothing was stored."
    except OSError as error:
        status, text = "500 Internal Server Error", "Nothing was stored."
        print(error, file=environ["wsgi.errors"])
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{text}\n".encode()]


fcgi.serve(application)
