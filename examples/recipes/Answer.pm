# What the application answers.
package Answer;
use strict;
use warnings;

sub text {
    my $request = shift;
    return join( ' ', $request->method, $request->script_name, $request->path_info ) . "\n";
}

1;
