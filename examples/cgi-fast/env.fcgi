#!/usr/bin/perl
# Shows what the web server says about the request. Needs libcgi-fast-perl.
use strict;
use warnings;
use CGI::Fast;

while ( my $query = CGI::Fast->new ) {
    print $query->header( -type => 'text/plain', -charset => 'utf-8' );
    print map { "$_=$ENV{$_}\n" } sort keys %ENV;
}
