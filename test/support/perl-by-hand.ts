/**
 * How a Perl program begins that speaks FastCGI by hand, to misbehave as no library lets it: `$listener`; `request($client)` with the next request of a
 * connection, its id, its parameters as they came and whether the connection is to be kept, nothing at its end; `record(type, id, content)` and
 * `answer(id, page)`, whole, as bytes.
 */
export const PERL_BY_HAND = `#!/usr/bin/perl
open my $listener, '+<&=', 0 or die;
sub record { my ($type, $id, $content) = @_; pack('CCnnCx', 1, $type, $id, length $content, 0) . $content }
sub answer { my ($id, $page) = @_; record(6, $id, "Content-Type: text/plain\\r\\n\\r\\n$page") . record(6, $id, '') . record(3, $id, "\\0" x 8) }
sub request {
  my ($client) = @_;
  my ($params, $keeps) = ('', 0);
  while ((read $client, my $header, 8) == 8) {
    my ($type, $id, $length, $padding) = unpack 'x C n n C', $header;
    read $client, my $content, $length + $padding if $length + $padding;
    $keeps = unpack 'x2 C', $content if $type == 1;
    $params .= $content if $type == 4;
    return ($id, $params, $keeps) if $type == 5 && $length == 0;
  }
  return;
}
`;
