import { checkPattern } from "../support/pattern.ts";
import type { Site } from "../support/site.ts";

/**
 * Notes the number of each POST in the file SEEN, once it has its head, and answers "own NUMBER". Its name says what it does besides:
 * "works-on" after some answers, "forks" children that end late, by exit, and flush what they hold of the page.
 */
const NOTING = `#!/usr/bin/perl
use FCGI;
my $request = FCGI::Request(\\*STDIN, \\*STDOUT, \\*STDERR, \\my %env);
$SIG{CHLD} = 'IGNORE';
while ($request->Accept() >= 0) {
  my ($number) = $env{QUERY_STRING} =~ /(\\d+)/;
  if ($env{REQUEST_METHOD} eq 'POST') { open my $seen, '>>', 'SEEN'; syswrite $seen, "$number\\n"; close $seen; }
  my ($chunk, $bytes) = ('', 0);
  $bytes += length $chunk while read STDIN, $chunk, 65536;
  print "Content-Type: text/plain\\r\\n\\r\\nown $number $bytes";
  if ($0 =~ /forks/ && $number % 5 == 0 && !fork) { select undef, undef, undef, rand 0.1; exit 0 }
  if ($0 =~ /works-on/ && $number % 5 == 0) { $request->Finish(); select undef, undef, undef, 0.05 }
}
`;
const PHP = "<?php header('Content-Type: text/plain'); usleep(2000); echo getmypid();";
const UPLOAD_BYTES = 300_000;

/** The programs that are visited, beside copies of `lab.c` named lab.fcgi and other.fcgi. */
export function programFiles(seenFile: string): Record<string, string> {
  const noting = NOTING.replace("SEEN", seenFile);
  return { "note.fcgi": noting, "works-on.fcgi": noting, "forks.fcgi": noting, "page.php": PHP };
}

/** What became of one visit: "GET 200 whole" and the like; "wrong" tells what was wrong with a whole one. */
export interface Visited {
  readonly result: string;
  readonly wrong: string | undefined;
}

type Way = "direct" | "kept" | "unbuffered";
type Kind = (site: Site, number: number, way: Way) => Promise<Visited>;

const get =
  (path: string, isRight: (text: string) => boolean): Kind =>
  async (site, _number, way) => {
    const answer = await site.ask(path, { way });
    return visited("GET", answer, isRight(answer.text()) ? undefined : `${path}: ${answer.text()}`);
  };

const own =
  (file: string, bytes?: number): Kind =>
  async (site, number, way) => {
    const upload = bytes === undefined ? {} : { body: new Uint8Array(bytes) };
    const answer = await site.ask(`${file}?${number}`, { way, ...upload });
    const page = `own ${number} ${bytes ?? 0}`;
    const wrong = answer.text() === page ? undefined : `${page}: ${answer.text()}`;
    return visited(bytes === undefined ? "GET" : "POST", answer, wrong);
  };

const download: Kind = async (site, _number, way) => {
  const check = checkPattern();
  const answer = await site.ask("lab.fcgi?op=download&bytes=100000", { way, onBody: check.take });
  return visited("GET", answer, check.length === 100_000 ? undefined : `${check.length} bytes of 100,000`);
};

const leave: Kind = async (site, _number, way) => {
  const check = checkPattern();
  const answer = await site.ask("lab.fcgi?op=download&bytes=5000000", {
    way,
    onBody: check.take,
    leaveAfter: 100_000,
  });
  return visited("GET", answer, undefined);
};

const head: Kind = async (site, _number, way) => {
  const answer = await site.ask("lab.fcgi?op=download&bytes=5000000", { way, method: "HEAD" });
  return visited("HEAD", answer, undefined);
};

const isPid = (text: string) => /^\d+$/.test(text);
const KINDS: readonly Kind[] = [
  get("lab.fcgi?op=sleep&ms=3", isPid),
  own("note.fcgi", 100),
  get("other.fcgi", isPid),
  leave,
  get("page.php", isPid),
  own("note.fcgi"),
  own("works-on.fcgi", 100),
  download,
  own("works-on.fcgi"),
  own("forks.fcgi"),
  own("note.fcgi", UPLOAD_BYTES),
  head,
  own("forks.fcgi", 100),
];
const WAYS: readonly Way[] = ["direct", "kept", "unbuffered"];

/** The visit of this number: each is of the next kind, by the next way. */
export function visit(site: Site, number: number): Promise<Visited> {
  const kind = KINDS[number % KINDS.length] as Kind;
  return kind(site, number, WAYS[Math.floor(number / KINDS.length) % WAYS.length] as Way);
}

function visited(
  method: string,
  answer: { status: number; end: string },
  wrong: string | undefined,
): Visited {
  const { status, end } = answer;
  const isWhole = end === "complete" || end === "until-close";
  const result = `${method} ${status} ${isWhole ? "whole" : end}`;
  return { result, wrong: status === 200 && isWhole ? wrong : undefined };
}
