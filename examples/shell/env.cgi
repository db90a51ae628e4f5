#!/bin/sh
# Shows what the web server says about the request: a CGI program finds it in its environment.
printf 'Content-Type: text/plain; charset=utf-8\r\n\r\n'
env | sort
