#!/usr/bin/perl
# An authorizer: asked before a file is served, it says who may see it. Needs libfcgi-perl.
# The environment variable LOGIN_FILE names a file with lines "name:hash", as `htpasswd -B` writes them.
use strict;
use warnings;
use FCGI;
use MIME::Base64 qw(decode_base64);

my $login_file = $ENV{LOGIN_FILE} or die "LOGIN_FILE is not set\n";

# Apache has taken name and password apart already; lighttpd passes the header on.
sub credentials {
    return @ENV{qw(REMOTE_USER REMOTE_PASSWD)} if defined $ENV{REMOTE_PASSWD};
    my ($encoded) = ( $ENV{HTTP_AUTHORIZATION} // '' ) =~ /^Basic\s+(\S+)/i or return;
    return split /:/, decode_base64($encoded), 2;
}

sub is_right {
    my ( $name, $password ) = @_;
    return unless defined $password;
    open my $file, '<', $login_file or die "$login_file: $!\n";
    while ( my $line = <$file> ) {
        chomp $line;
        my ( $known, $hash ) = split /:/, $line;
        return ( crypt( $password, $hash ) // '' ) eq $hash if $known eq $name;
    }
    return;
}

my $request = FCGI::Request();

while ( $request->Accept() >= 0 ) {
    my ( $name, $password ) = credentials();
    if ( is_right( $name, $password ) ) {
        # What the program behind is told: ACCOUNT.
        print "Status: 200 OK\r\nVariable-ACCOUNT: $name\r\n\r\n";
    }
    else {
        print "Status: 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"private\"\r\n";
        print "Content-Type: text/plain\r\n\r\nWho are you?\n";
    }
}
