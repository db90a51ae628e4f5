-- FastCGI for LuaJIT: Debian's libfcgi0ldbl through ffi.
--
--     for request in fcgi.requests() do request:write("Content-Type: text/plain\r\n\r\nHello\n") end
local ffi = require("ffi")

ffi.cdef [[
typedef struct FCGX_Stream FCGX_Stream;
int FCGX_Accept(FCGX_Stream **in, FCGX_Stream **out, FCGX_Stream **err, char ***environment);
char *FCGX_GetParam(const char *name, char **environment);
int FCGX_GetStr(char *buffer, int length, FCGX_Stream *stream);
int FCGX_PutStr(const char *bytes, int length, FCGX_Stream *stream);
]]

local lib = ffi.load("libfcgi.so.0")
local SIZE = 64 * 1024

local Request = {}
Request.__index = Request

--- A parameter of the request, such as "QUERY_STRING", or nil.
function Request:param(name)
    local value = lib.FCGX_GetParam(name, self.environment[0])
    return value ~= nil and ffi.string(value) or nil
end

--- All of them, as an iterator over names and values.
function Request:params()
    local at = -1
    return function()
        at = at + 1
        local pair = self.environment[0][at]
        if pair ~= nil then return ffi.string(pair):match("^(.-)=(.*)$") end
    end
end

--- The next piece of the body, or nil at its end.
function Request:read()
    local length = lib.FCGX_GetStr(self.buffer, SIZE, self.input[0])
    return length > 0 and ffi.string(self.buffer, length) or nil
end

--- A piece of the answer: headers, an empty line, the body.
function Request:write(text)
    lib.FCGX_PutStr(text, #text, self.output[0])
end

local fcgi = {}

--- The requests of this process, one after the other, until it is told to end.
function fcgi.requests()
    local request = setmetatable({
        input = ffi.new("FCGX_Stream *[1]"),
        output = ffi.new("FCGX_Stream *[1]"),
        errors = ffi.new("FCGX_Stream *[1]"),
        environment = ffi.new("char **[1]"),
        buffer = ffi.new("char[?]", SIZE),
    }, Request)
    return function()
        local status = lib.FCGX_Accept(request.input, request.output, request.errors, request.environment)
        return status >= 0 and request or nil
    end
end

return fcgi
