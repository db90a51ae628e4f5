import { type Random, seededRandom } from "../../bench/simulator/random.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import {
  FCGI_BEGIN_REQUEST,
  FCGI_END_REQUEST,
  FCGI_PARAMS,
  FCGI_RESPONDER,
  FCGI_STDIN,
  FCGI_STDOUT,
} from "../../src/fcgi/protocol.ts";
import { patternBytes } from "./pattern.ts";
import { cutUp, encodePadded, MUTATION_KINDS, type Mutation, mutate, readRecords } from "./record-streams.ts";

/** What a connection of a web server that may be out of its mind sends and should get. */
export interface RandomStream {
  /** What is sent when the answers to all before it have come. */
  readonly rounds: readonly Round[];
  /** Whether it leaves without waiting for the last answers. */
  readonly leaves: boolean;
}

interface Round {
  readonly chunks: readonly Uint8Array[];
  readonly requests: readonly Asked[];
  /** Whether every answer must be right: nothing was changed, and no program breaks its answer. */
  readonly isSound: boolean;
}

interface Asked {
  readonly id: number;
  readonly records: readonly Uint8Array[];
  /** The page without its header; undefined where a program breaks it, or where std-fpm answers. */
  readonly page: string | undefined;
  readonly isBroken: boolean;
}

/** Where the programs are. */
export interface Programs {
  /** `test/fixtures/programs/lab.c` */
  readonly lab: string;
  /** `test/fixtures/programs/babble.fcgi` */
  readonly babble: string;
}

const IDS = [1, 2, 3, 0x100, 0xffff];
const BROKEN_KINDS = ["foreign", "cut", "changed", "gone"];

/** The stream of this number. */
export function randomStream(seed: number, programs: Programs): RandomStream {
  const random = seededRandom(seed);
  const isChanged = random.next() < 0.6;
  const keepConn = random.next() < 0.7;
  const rounds = keepConn && random.next() < 0.3 ? 2 : 1;
  return {
    rounds: Array.from({ length: rounds }, (_, index) =>
      // Nobody knows how many answers a changed one gets: it is the last.
      makeRound(random, programs, { keepConn, isChanged: isChanged && index === rounds - 1 }),
    ),
    leaves: random.next() < 0.15,
  };
}

/** What is wrong with what came of a stream. */
export function problemsOfAnswers(stream: RandomStream, received: Uint8Array): string[] {
  const { records, rest } = readRecords(received);
  const sent = stream.rounds.flatMap(({ chunks }) => readRecords(Buffer.concat(chunks)).records);
  const begun = new Set(sent.filter(({ type }) => type === FCGI_BEGIN_REQUEST).map(({ id }) => id));
  const strange = records.filter(({ id, type }) => !begun.has(id) && !(id === 0 && type >= 10));
  const requests = stream.rounds.flatMap((round) => round.requests);
  const isSound = stream.rounds.every((round) => round.isSound);
  return [
    ...strange.map(({ id, type }) => `a record of type ${type} with id ${id}`),
    // A program whose record lengths are wrong says itself what is its own.
    ...(Buffer.from(received).includes("OTHERS") && requests.every(({ page }) => page !== "changed")
      ? ["bytes of another request"]
      : []),
    ...(isSound && !stream.leaves && rest.length > 0 ? [`${rest.length} bytes behind the last record`] : []),
    ...(isSound && !stream.leaves ? wrongPages(requests, received) : []),
  ];
}

function wrongPages(requests: readonly Asked[], received: Uint8Array): string[] {
  const { records } = readRecords(received);
  return [...new Set(requests.map(({ id }) => id))].flatMap((id) => {
    const mine = records.filter((record) => record.id === id);
    const pages: string[] = [];
    let stdout = "";
    for (const { type, content } of mine) {
      if (type === FCGI_STDOUT) stdout += asText(content);
      if (type !== FCGI_END_REQUEST) continue;
      pages.push(stdout);
      stdout = "";
    }
    const wanted = requests.filter((request) => request.id === id);
    if (pages.length !== wanted.length) return [`${pages.length} answers to ${wanted.length} requests ${id}`];
    return wanted.flatMap(({ page }, index) => {
      const got = pages[index] ?? "";
      const body = got.slice(got.indexOf("\r\n\r\n") + 4);
      if (page === undefined ? got.startsWith("Status: 404") : body === page) return [];
      return [`request ${id}: ${got.slice(0, 200)} instead of ${page?.slice(0, 100)}`];
    });
  });
}

function makeRound(
  random: Random,
  programs: Programs,
  { keepConn, isChanged }: { keepConn: boolean; isChanged: boolean },
): Round {
  const count = keepConn ? 1 + below(random, 4) : 1;
  const ids = shuffled(random, IDS).slice(0, count);
  const requests = ids.map((id) => ask(random, programs, id, keepConn));
  const records = mix(random, requests);
  const changes = isChanged ? Array.from({ length: 1 + below(random, 3) }, () => mutation(random)) : [];
  const sent = mutate(records, changes, [...IDS, 0, 77]);
  const bytes = sent.reduce((sum, { length }) => sum + length, 0);
  const cuts = Array.from({ length: below(random, 4) }, () => below(random, bytes || 1));
  const isSound = !isChanged && requests.every(({ isBroken }) => !isBroken);
  return { chunks: cutUp(sent, cuts), requests, isSound };
}

function ask(random: Random, programs: Programs, id: number, keepConn: boolean): Asked {
  const number = below(random, 1_000_000);
  const body = new Uint8Array(below(random, 10) === 0 ? below(random, 80_000) : below(random, 900));
  body.fill(97 + below(random, 26));
  const bytes = below(random, 10) === 0 ? below(random, 200_000) : below(random, 9_000);
  const dice = random.next();
  const request = (script: string, query: string, page: string | undefined, sent = new Uint8Array(0)) => ({
    id,
    records: recordsOf(random, { id, keepConn, script, query, body: sent }),
    page,
    isBroken: false,
  });
  if (dice < 0.25) return request(programs.lab, `op=download&bytes=${bytes}`, asText(patternBytes(bytes)));
  if (dice < 0.5) return request(programs.lab, "op=echo", asText(body), body);
  if (dice < 0.75) return request(programs.lab, "op=count", String(body.length), body);
  if (dice < 0.8) return request(`${programs.lab}.none`, "", undefined);
  if (dice < 0.97) return request(programs.babble, `stale&n=${number}`, `own ${number} `.repeat(50));
  const kind = BROKEN_KINDS[below(random, BROKEN_KINDS.length)] as string;
  return { ...request(programs.babble, `${kind}&n=${number}`, kind), isBroken: true };
}

interface Request {
  id: number;
  keepConn: boolean;
  script: string;
  query: string;
  body: Uint8Array;
}

function recordsOf(random: Random, { id, keepConn, script, query, body }: Request): Uint8Array[] {
  const lengths = [String(body.length), "", "-1"];
  const params = encodeParams([
    ["SCRIPT_FILENAME", script],
    ["QUERY_STRING", query],
    ["REQUEST_METHOD", body.length > 0 ? "POST" : "GET"],
    ["CONTENT_LENGTH", body.length > 0 ? (lengths[below(random, 3)] as string) : ""],
  ]);
  const padding = below(random, 9);
  const record = (type: number, content: Uint8Array) => encodePadded({ type, id, content, padding });
  const piece = 1 + below(random, 30_000);
  const pieces = Array.from({ length: Math.ceil(body.length / piece) }, (_, index) =>
    record(FCGI_STDIN, body.subarray(index * piece, (index + 1) * piece)),
  );
  return [
    record(FCGI_BEGIN_REQUEST, Uint8Array.of(0, FCGI_RESPONDER, keepConn ? 1 : 0, 0, 0, 0, 0, 0)),
    record(FCGI_PARAMS, params),
    record(FCGI_PARAMS, new Uint8Array(0)),
    ...pieces,
    record(FCGI_STDIN, new Uint8Array(0)),
  ];
}

/** The records of all, in an order by chance, in which each one's stay in theirs. */
function mix(random: Random, requests: readonly Asked[]): Uint8Array[] {
  const queues = requests.map(({ records }) => [...records]);
  const mixed: Uint8Array[] = [];
  for (;;) {
    const left = queues.filter(({ length }) => length > 0);
    const next = left[below(random, left.length)]?.shift();
    if (!next) return mixed;
    mixed.push(next);
  }
}

function mutation(random: Random): Mutation {
  const kind = MUTATION_KINDS[below(random, MUTATION_KINDS.length)] as Mutation["kind"];
  return { kind, at: below(random, 60), byte: below(random, 400), value: below(random, 0x10000) };
}

function shuffled(random: Random, numbers: readonly number[]): number[] {
  const keyed = numbers.map((number) => [random.next(), number] as const);
  return keyed.sort(([a], [b]) => a - b).map(([, number]) => number);
}

/** As `latin1` of the source says, and faster for long ones. */
function asText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

function below(random: Random, limit: number): number {
  return Math.floor(random.next() * limit);
}
