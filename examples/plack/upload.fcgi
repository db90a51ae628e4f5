#!/usr/bin/env -S plackup -s FCGI -E deployment --manager=
# Stores the request's body, a file of 4 MiB at most. Needs libplack-perl and libfcgi-perl. UPLOAD_FOLDER=… says where.
# Try it with: curl --data-binary @photo.jpg http://localhost/upload.fcgi
use strict;
use warnings;
use File::Basename qw(basename);
use File::Temp;

use constant MAX_BYTES => 4 * 1024 * 1024;

my $folder = $ENV{UPLOAD_FOLDER};

# 201 when all of the body is in the file; else the status that says why not.
sub store {
    my ( $input, $file ) = @_;
    my $total = 0;
    while ( $input->read( my $chunk, 65_536 ) ) {
        return 413 if ( $total += length $chunk ) > MAX_BYTES;
        print {$file} $chunk or return 500;
    }
    return close $file ? 201 : 500;
}

my $app = sub {
    my ($env) = @_;

    # The name is ours: one that a client chooses may hold anything.
    my $file   = eval { File::Temp->new( TEMPLATE => 'upload-XXXXXXXX', DIR => $folder, UNLINK => 1 ) };
    my $status = $file ? store( $env->{'psgi.input'}, $file ) : 500;
    $file->unlink_on_destroy(0) if $status == 201;
    my $text = $status == 201 ? basename( $file->filename ) : 'Nothing was stored.';
    return [ $status, [ 'Content-Type' => 'text/plain; charset=utf-8' ], ["$text\n"] ];
};
