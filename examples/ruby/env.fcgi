#!/usr/bin/ruby
# Shows what the web server says about the request. Needs ruby-fcgi.
require 'fcgi'

FCGI.each do |request|
  request.out.print "Content-Type: text/plain; charset=utf-8\r\n\r\n"
  request.env.sort.each { |name, value| request.out.print "#{name}=#{value}\n" }
  request.finish
end
