#!/usr/bin/env -S plackup -s FCGI -E deployment --manager=
# The smallest PSGI application. Needs libplack-perl and libfcgi-perl.
use strict;
use warnings;

my $count = 0;

my $app = sub {
    $count++;
    return [
        200,
        [ 'Content-Type' => 'text/plain; charset=utf-8' ],
        ["Hello from Plack! This process has answered $count requests.\n"],
    ];
};
