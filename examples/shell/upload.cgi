#!/bin/sh
# Stores the request's body, a file of 4 MiB at most. UPLOAD_FOLDER=… says where.
# Try it with: curl --data-binary @photo.jpg http://localhost/upload.cgi
max_bytes=$((4 * 1024 * 1024))

answer() {
    printf 'Status: %s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\n' "$1" "$2"
    exit
}

[ "${CONTENT_LENGTH:-0}" -le "$max_bytes" ] || answer 413 'Nothing was stored.'
# The name is ours: one that a client chooses may hold anything.
file=$(mktemp "$UPLOAD_FOLDER/upload-XXXXXXXX") || answer 500 'Nothing was stored.'
cat >"$file" && [ "$(wc -c <"$file")" -eq "${CONTENT_LENGTH:-0}" ] && answer 201 "${file##*/}"
rm -f "$file"
answer 500 'Nothing was stored.'
