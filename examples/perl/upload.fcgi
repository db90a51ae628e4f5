#!/usr/bin/perl
# Stores the request's body, a file of 4 MiB at most. Needs libfcgi-perl. UPLOAD_FOLDER=… says where.
# Try it with: curl --data-binary @photo.jpg http://localhost/upload.fcgi
use strict;
use warnings;
use FCGI;
use File::Basename qw(basename);
use File::Temp;

use constant MAX_BYTES => 4 * 1024 * 1024;

# Taken before the first request: each has an %ENV of its own.
my $folder  = $ENV{UPLOAD_FOLDER};
my $request = FCGI::Request();

# 201 when all of the body is in the file; else the status that says why not.
sub store {
    my ($file) = @_;
    my $total = 0;
    while ( read STDIN, my $chunk, 65_536 ) {
        return 413 if ( $total += length $chunk ) > MAX_BYTES;
        print {$file} $chunk or return 500;
    }
    return close $file ? 201 : 500;
}

while ( $request->Accept() >= 0 ) {
    # The name is ours: one that a client chooses may hold anything.
    my $file   = eval { File::Temp->new( TEMPLATE => 'upload-XXXXXXXX', DIR => $folder, UNLINK => 1 ) };
    my $status = $file ? store($file) : 500;
    $file->unlink_on_destroy(0) if $status == 201;
    print "Status: $status\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n";
    print $status == 201 ? basename( $file->filename ) : 'Nothing was stored.', "\n";
}
