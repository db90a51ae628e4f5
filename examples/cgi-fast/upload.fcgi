#!/usr/bin/perl
# Stores the request's body, a file of 4 MiB at most. Needs libcgi-fast-perl. UPLOAD_FOLDER=… says where. Try it with:
# curl -H 'Content-Type: application/octet-stream' --data-binary @photo.jpg http://localhost/upload.fcgi
use strict;
use warnings;
use CGI::Fast;
use File::Basename qw(basename);
use File::Temp;

# CGI.pm holds a body in memory, and refuses a larger one.
$CGI::POST_MAX = 4 * 1024 * 1024;

# Taken before the first request: each has an %ENV of its own.
my $folder = $ENV{UPLOAD_FOLDER};

# The name is ours: one that a client chooses may hold anything.
sub store {
    my ($body) = @_;
    my $file = File::Temp->new( TEMPLATE => 'upload-XXXXXXXX', DIR => $folder, UNLINK => 1 );
    print {$file} $body or die "$file: $!\n";
    close $file         or die "$file: $!\n";
    $file->unlink_on_destroy(0);
    return basename( $file->filename );
}

while ( my $query = CGI::Fast->new ) {
    my $is_too_large = ( $query->cgi_error // '' ) =~ /^413/;
    my $name         = $is_too_large ? undef : eval { store( $query->param('POSTDATA') // '' ) };
    print $query->header(
        -status  => $name ? '201 Created' : $is_too_large ? '413 Content Too Large' : '500 Internal Server Error',
        -type    => 'text/plain',
        -charset => 'utf-8',
    );
    print $name // 'Nothing was stored.', "\n";
}
