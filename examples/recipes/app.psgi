# A PSGI application. Needs libplack-perl and libfcgi-perl.
use strict;
use warnings;
use Plack::Request;
use Answer;

sub {
    my $request = Plack::Request->new(shift);
    return $request->new_response( 200, [ 'Content-Type' => 'text/plain' ], Answer::text($request) )->finalize;
};
