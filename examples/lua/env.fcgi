#!/usr/bin/luajit
-- Shows what the web server says about the request. Needs luajit and libfcgi0ldbl.
local fcgi = require("fcgi")

for request in fcgi.requests() do
    request:write("Content-Type: text/plain; charset=utf-8\r\n\r\n")
    for name, value in request:params() do
        request:write(name .. "=" .. value .. "\n")
    end
end
