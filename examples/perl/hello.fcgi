#!/usr/bin/perl
use strict;
use warnings;
use FCGI;

my $count   = 0;
my $request = FCGI::Request();

while ( $request->Accept() >= 0 ) {
    $count++;
    print "Content-Type: text/plain; charset=utf-8\r\n\r\n";
    print "Hello from Perl! This process has answered $count requests.\n";
    if ( ( $ENV{CONTENT_LENGTH} || 0 ) > 0 ) {
        read STDIN, my $body, $ENV{CONTENT_LENGTH};
        print "You sent: $body\n";
    }
}
