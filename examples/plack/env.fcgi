#!/usr/bin/env -S plackup -s FCGI -E deployment --manager=
# Shows what the web server says about the request. Needs libplack-perl and libfcgi-perl.
use strict;
use warnings;

my $app = sub {
    my ($env) = @_;
    my @names = grep { !/^psgi/ } sort keys %$env;
    return [ 200, [ 'Content-Type' => 'text/plain; charset=utf-8' ], [ map { "$_=$env->{$_}\n" } @names ] ];
};
