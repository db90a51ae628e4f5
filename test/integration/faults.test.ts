import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { encodeStream } from "../../src/fcgi/encoder.ts";
import { FCGI_END_REQUEST, FCGI_STDIN } from "../../src/fcgi/protocol.ts";
import { connectFcgi, type FcgiConnection } from "../support/fcgi-connection.ts";
import { isAlive } from "../support/processes.ts";
import { type Site, startSite } from "../support/site.ts";
import { logged } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";

/**
 * Notes in a file what it has come to: "PID head", "PID body" (a part of it), "PID read" (all of it), "PID begun" (its answer).
 * It then rests: with `always=PHASE` whoever comes there, with `wait=PHASE` only the first one.
 */
const NOTING = `#!/usr/bin/perl
use Fcntl;
use FCGI;
my $request = FCGI::Request();
sub note {
  my ($phase) = @_;
  open my $notes, '>>', $ENV{NOTES}; syswrite $notes, "$$ $phase\\n"; close $notes;
  my $is_first = sysopen my $mark, "$ENV{NOTES}.$phase", O_CREAT | O_EXCL;
  sleep 60 if $ENV{QUERY_STRING} eq "always=$phase" || $is_first && $ENV{QUERY_STRING} eq "wait=$phase";
}
while ($request->Accept() >= 0) {
  note('head');
  my ($length, $bytes, $chunk) = ($ENV{CONTENT_LENGTH} || 0, 0);
  while ($bytes < $length && (my $got = read STDIN, $chunk, 1000)) { note('body') if !$bytes; $bytes += $got; }
  note('read');
  print "Content-Type: text/plain\\r\\n\\r\\n$$";
  if ($ENV{QUERY_STRING} eq 'wait=begun') { print 'x' x 20000; $request->Flush(); note('begun'); }
}
`;

/** A site with the program, one connection to it, and what the program noted. */
async function notingSite() {
  const site = await startSite({ files: { "note.fcgi": NOTING }, app: "max_processes = 2", lab: [] });
  const file = `${site.folder}/notes`;
  const notes = () => (existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : []);
  const connection = await connectFcgi(site.fpm.socket);
  const script = `${site.root}/note.fcgi`;
  let id = 0;
  return {
    site,
    connection,
    notes,
    /** Sends a request; with `bytes` a body of a megabyte is announced and so much of it sent. Resolves to its id. */
    async send(method: string, query = "", bytes?: number): Promise<number> {
      id++;
      const length: Record<string, string> = bytes === undefined ? {} : { CONTENT_LENGTH: "1000000" };
      const params = { REQUEST_METHOD: method, QUERY_STRING: query, NOTES: file, ...length };
      const body = bytes === undefined ? {} : { body: null };
      await connection.send(connection.encode(script, { id, keepConn: true, params, ...body }));
      if (bytes) await connection.send(encodeStream(FCGI_STDIN, id, new Uint8Array(bytes), false));
      return id;
    },
    async noted(phase: string): Promise<number> {
      const note = await waitUntil(phase, () => notes().find((each) => each.endsWith(` ${phase}`)));
      return Number(note.split(" ")[0]);
    },
    /** How many times the program saw a request. */
    executions: () => notes().filter((note) => note.endsWith(" head")).length,
  };
}

type Noting = Awaited<ReturnType<typeof notingSite>>;

/** A point of a request's life at which its process is killed, and what comes of it. */
interface Fault {
  readonly when: string;
  readonly method: "GET" | "POST";
  /** Brings a request to that point and kills the process. Resolves to the request's id. */
  hit(noting: Noting, method: string): Promise<number>;
  /** What the client gets: an HTTP status, or the connection's end in mid-answer. */
  readonly client: 200 | 502 | "aborted";
  /** How often the program saw the request. */
  readonly executions: number;
}

async function warmUp({ send, connection, noted }: Noting): Promise<number> {
  await connection.answer(await send("GET"));
  return await noted("read");
}

function kill(pid: number): void {
  process.kill(pid, "SIGKILL");
}

const whileIdle = async (noting: Noting, method: string) => {
  const pid = await warmUp(noting);
  kill(pid);
  await waitUntil("it is gone", () => !isAlive(pid));
  return await noting.send(method);
};
const beforeConnect = async (noting: Noting, method: string) => {
  const pid = await warmUp(noting);
  const sent = noting.send(method);
  kill(pid);
  return await sent;
};
const beforeAccept = async (noting: Noting, method: string) => {
  const pid = await warmUp(noting);
  process.kill(pid, "SIGSTOP");
  const id = await noting.send(method);
  await Bun.sleep(200);
  kill(pid);
  return id;
};
const at = (phase: string, bytes?: number) => async (noting: Noting, method: string) => {
  const id = await noting.send(method, `wait=${phase}`, bytes);
  kill(await noting.noted(phase));
  return id;
};
const afterAnswer = async (noting: Noting, method: string) => {
  const id = await noting.send(method);
  await noting.connection.answer(id);
  kill(await noting.noted("read"));
  return id;
};

// Warming up is an execution, too: the program has then seen one request more.
const FAULTS: readonly Fault[] = [
  { when: "while it is idle", method: "GET", hit: whileIdle, client: 200, executions: 2 },
  { when: "while it is idle", method: "POST", hit: whileIdle, client: 200, executions: 2 },
  { when: "just when the request comes", method: "POST", hit: beforeConnect, client: 200, executions: 2 },
  { when: "before it accepts the connection", method: "GET", hit: beforeAccept, client: 200, executions: 2 },
  { when: "before it accepts the connection", method: "POST", hit: beforeAccept, client: 200, executions: 2 },
  { when: "after the head", method: "GET", hit: at("head"), client: 200, executions: 2 },
  { when: "after the head", method: "POST", hit: at("head"), client: 502, executions: 1 },
  {
    when: "after the head of an upload",
    method: "POST",
    hit: at("head", 100_000),
    client: 502,
    executions: 1,
  },
  { when: "in the body", method: "POST", hit: at("body", 400_000), client: 502, executions: 1 },
  { when: "before the first byte", method: "GET", hit: at("read"), client: 200, executions: 2 },
  { when: "before the first byte", method: "POST", hit: at("read"), client: 502, executions: 1 },
  { when: "in mid-answer", method: "GET", hit: at("begun"), client: "aborted", executions: 1 },
  { when: "in mid-answer", method: "POST", hit: at("begun"), client: "aborted", executions: 1 },
  { when: "after END_REQUEST", method: "GET", hit: afterAnswer, client: 200, executions: 1 },
  { when: "after END_REQUEST", method: "POST", hit: afterAnswer, client: 200, executions: 1 },
];

async function outcomeOf(connection: FcgiConnection, id: number): Promise<number | string> {
  const answer = await connection.answer(id).catch(() => undefined);
  if (!answer) return "aborted";
  const status = /^Status: (\d+)/.exec(answer.stdout)?.[1];
  return status === undefined ? 200 : Number(status);
}

describe("a process that is killed", () => {
  for (const { when, method, hit, client, executions } of FAULTS) {
    test(`${when}: a ${method} is ${client}, the program saw ${executions} in all`, async () => {
      const noting = await notingSite();
      await using _: Site = noting.site;
      using connection = noting.connection;
      const id = await hit(noting, method);
      expect([await outcomeOf(connection, id)]).toEqual([client]);
      expect(noting.executions()).toBe(executions);
    });
  }

  test.each(["GET", "POST"])(
    "again in each further try: a %s is a 502, a GET with three deaths behind it",
    async (method) => {
      const { site, connection, send, notes } = await notingSite();
      await using _ = site;
      using __ = connection;
      const heads = () => notes().filter((note) => note.endsWith(" head"));
      const id = await send(method, "always=head");
      const tries = method === "GET" ? 3 : 1;
      for (let i = 1; i <= tries; i++) {
        const pid = Number((await waitUntil(`try ${i}`, () => heads()[i - 1])).split(" ")[0]);
        kill(pid);
      }
      const outcome = await outcomeOf(connection, id);
      expect([outcome, heads().length]).toEqual([502, tries]);
    },
  );

  test("in the middle of an upload: the connection goes on with the next request", async () => {
    const noting = await notingSite();
    await using _ = noting.site;
    using connection = noting.connection;
    const id = await at("body", 400_000)(noting, "POST");
    expect(await outcomeOf(connection, id)).toBe(502);
    await connection.send(encodeStream(FCGI_STDIN, id, new Uint8Array(600_000), true));
    expect(await outcomeOf(connection, await noting.send("POST"))).toBe(200);
  });
});

describe("an answer that breaks off on a connection with others", () => {
  const params = (query: string, more = {}) => ({ QUERY_STRING: query, REQUEST_METHOD: "POST", ...more });

  test.each(["", "nginx/1.22.1"])("takes none of them along (web server: %j)", async (server) => {
    await using site = await startSite();
    using connection = await connectFcgi(site.fpm.socket);
    const lab = `${site.root}/lab.fcgi`;
    const send = (id: number, query: string) =>
      connection.send(
        connection.encode(lab, { id, keepConn: true, params: params(query, { SERVER_SOFTWARE: server }) }),
      );
    await send(1, "op=sleep&ms=1500");
    await send(3, "op=sleep&ms=1000");
    await send(5, "op=die-in-answer");
    await waitUntil("it has begun", () => connection.records.some(({ requestId }) => requestId === 5));
    await logged(site.fpm, "in mid-answer");
    // It would be on a connection that is to break.
    expect((await connection.request(lab, { id: 7, keepConn: true })).stdout).toStartWith("Status: 503");
    for (const id of [3, 1]) expect((await connection.answer(id)).stdout).toMatch(/\r\n\r\n\d+$/);
    await connection.closed();
    const ended = connection.records.filter(({ type }) => type === FCGI_END_REQUEST);
    expect(ended.map(({ requestId }) => requestId)).toEqual([7, 3, 1]);
    // What tells the web server that the other one is not complete.
    expect([connection.partOfRecord.length, connection.records.at(-1)?.version]).toEqual(
      server === "" ? [1, 1] : [0, 0],
    );
  });

  test("waits for no body that nobody wants", async () => {
    await using site = await startSite();
    using connection = await connectFcgi(site.fpm.socket);
    const upload = { id: 1, keepConn: true, body: null, params: params("", { CONTENT_LENGTH: "1000000" }) };
    await connection.send(connection.encode(`${site.root}/none.fcgi`, upload));
    await connection.send(encodeStream(FCGI_STDIN, 1, new Uint8Array(9), false));
    expect((await connection.answer(1)).stdout).toStartWith("Status: 404");
    const broken = { id: 3, keepConn: true, params: params("op=die-in-answer") };
    await connection.send(connection.encode(`${site.root}/lab.fcgi`, broken));
    await connection.closed();
    expect(connection.partOfRecord.length).toBe(1);
  });
});
