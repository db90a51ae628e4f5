"""Serves a WSGI application as a FastCGI program: Debian's libfcgi0ldbl through ctypes.

    fcgi.serve(application)
"""

import ctypes
import io
from wsgiref.handlers import BaseCGIHandler

_lib = ctypes.CDLL("libfcgi.so.0")
for _function in (_lib.FCGX_GetStr, _lib.FCGX_PutStr):
    _function.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
_lib.FCGX_FFlush.argtypes = [ctypes.c_void_p]


class _Input(io.RawIOBase):
    """The request's body."""

    def __init__(self, stream):
        self._stream = stream

    def readable(self):
        return True

    def readinto(self, buffer):
        view = (ctypes.c_char * len(buffer)).from_buffer(buffer)
        return _lib.FCGX_GetStr(view, len(buffer), self._stream)


class _Output:
    """The answer, or what goes to the web server's error log."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, data):
        data = data.encode() if isinstance(data, str) else data
        if _lib.FCGX_PutStr(data, len(data), self._stream) < 0:
            raise BrokenPipeError("the client has left")

    def flush(self):
        _lib.FCGX_FFlush(self._stream)


def _environ(environment):
    """The request's parameters, as PEP 3333 wants them: bytes as Latin-1."""
    pairs = {}
    for pair in iter(iter(environment).__next__, None):
        name, _, value = pair.decode("latin-1").partition("=")
        pairs[name] = value
    return pairs


def serve(application):
    """Answers requests, one at a time, until the process is told to end."""
    streams = [ctypes.c_void_p() for _ in range(3)]
    environment = ctypes.POINTER(ctypes.c_char_p)()
    while _lib.FCGX_Accept(*map(ctypes.byref, streams), ctypes.byref(environment)) >= 0:
        stdin, stdout, stderr = (stream.value for stream in streams)
        handler = BaseCGIHandler(
            io.BufferedReader(_Input(stdin)),
            _Output(stdout),
            _Output(stderr),
            _environ(environment),
            multithread=False,
            multiprocess=True,
        )
        handler.run(application)
