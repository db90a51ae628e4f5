#!/usr/bin/luajit
-- Stores the request's body, a file of 4 MiB at most. Needs luajit and libfcgi0ldbl. UPLOAD_FOLDER=… says where.
-- Try it with: curl --data-binary @photo.jpg http://localhost/upload.fcgi
local fcgi = require("fcgi")

local MAX_BYTES = 4 * 1024 * 1024
local folder = os.getenv("UPLOAD_FOLDER")

-- The name is ours: one that a client chooses may hold anything.
local function new_name()
    local random = assert(io.open("/dev/urandom", "rb"))
    local bytes = random:read(8)
    random:close()
    return "upload-" .. bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
end

-- 201 when all of the body is in the file; else the status that says why not.
local function store(request, path)
    local file = io.open(path, "wb")
    if not file then return 500 end
    local total, status = 0, 201
    for chunk in request.read, request do
        total = total + #chunk
        if total > MAX_BYTES then
            status = 413
            break
        end
        if not file:write(chunk) then status = 500 end
    end
    if not file:close() then status = 500 end
    if status ~= 201 then os.remove(path) end
    return status
end

for request in fcgi.requests() do
    local name = new_name()
    local status = folder and store(request, folder .. "/" .. name) or 500
    request:write("Status: " .. status .. "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
    request:write((status == 201 and name or "Nothing was stored.") .. "\n")
end
