#!/bin/sh
# A plain CGI program: a process for each request. Needs `protocol = "cgi"`, as in ../std-fpm.toml.
printf 'Content-Type: text/plain; charset=utf-8\r\n\r\n'
echo "Hello from $0, process $$."
