# A PSGI application. Needs libplack-perl and libfcgi-perl.
use strict;
use warnings;
use Plack::Request;

sub {
    my $request = Plack::Request->new(shift);
    my $text = join " ", $request->method, $request->script_name, $request->path_info;
    return $request->new_response( 200, [ 'Content-Type' => 'text/plain' ], "$text\n" )->finalize;
};
