#!/usr/bin/perl
use strict;
use warnings;
use CGI::Fast qw(:standard escapeHTML);

while ( my $query = CGI::Fast->new ) {
    my $name = escapeHTML( $query->param('name') // 'stranger' );
    print header( -charset => 'utf-8' ), start_html( -title => 'CGI::Fast' ), h1("Hello, $name!"),
        start_form( -method => 'POST' ), textfield('name'), submit('Greet'), end_form, end_html;
}
