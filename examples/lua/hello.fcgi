#!/usr/bin/luajit
-- The smallest program with fcgi.lua. Needs luajit and libfcgi0ldbl.
local fcgi = require("fcgi")
local count = 0

for request in fcgi.requests() do
    count = count + 1
    request:write("Content-Type: text/plain; charset=utf-8\r\n\r\n")
    request:write("Hello from LuaJIT! This process has answered " .. count .. " requests.\n")
end
