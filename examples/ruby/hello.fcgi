#!/usr/bin/ruby
# The smallest FastCGI program in Ruby. Needs ruby-fcgi.
require 'fcgi'

count = 0

FCGI.each do |request|
  count += 1
  request.out.print "Content-Type: text/plain; charset=utf-8\r\n\r\n"
  request.out.print "Hello from Ruby! This process has answered #{count} requests.\n"
  request.finish
end
