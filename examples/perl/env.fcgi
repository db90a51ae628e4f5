#!/usr/bin/perl
# Shows what the web server says about the request. Needs libfcgi-perl.
use strict;
use warnings;
use FCGI;

my $request = FCGI::Request();

while ( $request->Accept() >= 0 ) {
    print "Content-Type: text/plain; charset=utf-8\r\n\r\n";
    print map { "$_=$ENV{$_}\n" } sort keys %ENV;
}
