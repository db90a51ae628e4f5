#!/usr/bin/perl
# The smallest program with CGI::Fast. Needs libcgi-fast-perl.
use strict;
use warnings;
use CGI::Fast;

my $count = 0;

while ( my $query = CGI::Fast->new ) {
    $count++;
    print $query->header( -type => 'text/plain', -charset => 'utf-8' );
    print "Hello from CGI::Fast! This process has answered $count requests.\n";
}
