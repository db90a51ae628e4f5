import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { escapeControls } from "../../src/base/escape-controls.ts";
import { LineBuffer } from "../../src/base/line-buffer.ts";
import { parseAccessFormat } from "../../src/config/access-format.ts";
import { checkFile } from "../../src/config/check.ts";
import { encodeHead } from "../../src/fcgi/encoder.ts";
import { RequestHead } from "../../src/fcgi/head.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import { AnswerHead } from "../../src/relay/answer-head.ts";
import { type AccessRecord, createAccessLine } from "../../src/status/access-line.ts";
import { strftime } from "../../src/status/strftime.ts";

const latin1Bytes = (text: string) => Buffer.from(text, "latin1");

const TIME = new Date(2026, 0, 2, 3, 4, 5, 678);

function line(format: string, changes: Partial<AccessRecord> = {}, parameters: Record<string, string> = {}) {
  const parsed = parseAccessFormat(format);
  if (typeof parsed === "string") throw new Error(parsed);
  const buffer = new LineBuffer();
  const record: AccessRecord = {
    head: new RequestHead(encodeHead(1, 1, false, encodeParams(Object.entries(parameters)))),
    answer: { field: (name) => (name === "x-a" ? "b" : undefined) },
    startedAt: TIME.getTime(),
    endedAt: TIME.getTime() + 1500,
    status: 200,
    bytes: 17,
    program: "/srv/a.fcgi",
    pid: 7,
    ownPid: 6,
    outcome: "answered",
    errorCode: undefined,
    tookMs: 1500.25,
    waitedMs: 20.5,
    cpuMs: 750.125,
    memoryBytes: 3 * 1024 * 1024,
    ...changes,
  };
  const line = createAccessLine(parsed, (at) => new Date(at));
  line.write(record, buffer);
  const first = new TextDecoder().decode(buffer.take(buffer.length));
  // What one line says is not known of the next.
  line.write({ ...record, head: new RequestHead(encodeHead(1, 1, false, encodeParams([]))) }, buffer);
  line.write(record, buffer);
  expect(new TextDecoder().decode(buffer.take(buffer.length))).toEndWith(first);
  return first;
}

const ASKED = {
  REMOTE_ADDR: "192.0.2.1",
  REMOTE_USER: "joe",
  REQUEST_METHOD: "GET",
  REQUEST_URI: "/a?b=c",
  QUERY_STRING: "b=c",
  SCRIPT_FILENAME: "/srv/a.fcgi",
  CONTENT_LENGTH: "5",
  SERVER_PROTOCOL: "HTTP/1.1",
  HTTP_USER_AGENT: 'curl "7"',
};

describe("a line of the access log", () => {
  test("has all that php-fpm's lines have", () => {
    const format = '%R - %u %{%Y-%m-%d %T}t "%m %r%Q%q" %s %f %l %n %p %P %{X-A}o %{SERVER_PROTOCOL}e %%';
    expect(line(format, {}, ASKED)).toBe(
      '192.0.2.1 - joe 2026-01-02 03:04:05 "GET /a?b=c" 200 /srv/a.fcgi 5 /srv/a.fcgi 7 6 b HTTP/1.1 %\n',
    );
    expect(line("%{%S}T %d %{seconds}d %{milli}d %{mili}d %{milliseconds}d %{micro}d %{microseconds}d")).toBe(
      "07 1.500 1.500 1500.250 1500.250 1500.250 1500250 1500250\n",
    );
    expect(line("%w %{milli}w %C %{milli}C %M %{kilo}M %{mega}M %b %x %E")).toBe(
      "0.021 20.500 50.00 750.125 3145728 3072 3 17 answered -\n",
    );
  });

  test("has a dash where nothing is known", () => {
    const nothing = { status: undefined, program: undefined, pid: undefined, cpuMs: undefined };
    expect(
      line("%R %u %m %r %q|%s %n %p %C %{micro}C %M %l %{X-B}o", { ...nothing, memoryBytes: undefined }),
    ).toBe("- - - - |- - - - - - 0 -\n");
  });

  test("is by name what web servers write, without the query", () => {
    expect(line("combined", {}, ASKED)).toMatch(
      /^192\.0\.2\.1 - joe \[02\/Jan\/2026:03:04:05 [+-]\d{4}\] "GET \/a HTTP\/1\.1" 200 17 "-" "curl \\"7\\""\n$/,
    );
  });

  test("is one line of JSON, without the query", () => {
    const text = line("json", {}, ASKED);
    expect(JSON.parse(text)).toEqual({
      time: TIME.toISOString(),
      remote: "192.0.2.1",
      user: "joe",
      method: "GET",
      path: "/a",
      protocol: "HTTP/1.1",
      status: 200,
      bytes: 17,
      ms: 1500.25,
      wait_ms: 20.5,
      program: "/srv/a.fcgi",
      pid: 7,
      outcome: "answered",
    });
  });

  test("shows what is not printable, and text in UTF-8 as it is", () => {
    const uri = { REQUEST_URI: '/\u00c3\u00a9"\\\n\x1b\u00c2\u009b\u00ff' };
    expect(line("%r", {}, { REQUEST_URI: "/\u00c3\u00a9" })).toBe("/é\n");
    expect(line("%r", {}, uri)).toBe('/Ã©\\"\\\\\\x0a\\x1bÂ\\x9bÿ\n');
    expect(line("%q", {}, { QUERY_STRING: "\u00c2\u009b" })).toBe("\\x9b\n");
    expect(line("%u", {}, { REMOTE_USER: "\u00ef\u00bb\u00bfjoe" })).toBe("\\ufeffjoe\n");
    // A program's name is text.
    for (const name of ["/ā.fcgi", "/Ã©.fcgi", '/a"b.fcgi'])
      expect(line("%n", { program: name })).toBe(`${name.replace('"', '\\"')}\n`);
  });

  test("never breaks into two, whatever a client sends", () => {
    const bytes = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)) });
    fc.assert(
      fc.property(bytes, (value) => {
        for (const format of ["%r %q", "combined", "json"]) {
          const text = line(format, {}, { REQUEST_URI: value, QUERY_STRING: value, HTTP_REFERER: value });
          expect(text).toEndWith("\n");
          expect(escapeControls(text.slice(0, -1))).toBe(text.slice(0, -1));
        }
      }),
    );
  });
});

describe("a template", () => {
  test.each([
    ["%Z", "%Z: there is no such place"],
    ["a %", '"%" is not complete'],
    ["%{milli}", '"%{milli}" is not complete'],
    ["%{hours}d", "%{hours}d: expected one of seconds, milliseconds, milli, mili, microseconds, micro in {}"],
    [
      "%{system}C",
      "%{system}C: expected one of seconds, milliseconds, milli, mili, microseconds, micro in {}",
    ],
    ["%{giga}M", "%{giga}M: expected one of bytes, kilobytes, kilo, megabytes, mega in {}"],
    ["%e", "%e: expected the name of a parameter: %{NAME}e"],
    ["%o", "%o: expected the name of a header field: %{Name}o"],
    ["%{x}s", "%{x}s: this takes nothing in {}"],
    ["%{%Q}t", "%{%Q}t: %Q of strftime(3) is not known here"],
    ["%{%}t", "%{%}t: % of strftime(3) is not known here"],
    ["", "the format is empty"],
  ])("%p is refused", (format, problem) => {
    expect(parseAccessFormat(format)).toStartWith(problem);
  });

  test("that is wrong is a mistake of the configuration, at its key", () => {
    expect(checkFile({ access_log: { format: "%R %Z" } })).toEqual([
      { path: "access_log.format", reason: "%Z: there is no such place" },
    ]);
    expect(checkFile({ access_log: { format: "a\nb" } })[0]?.reason).toStartWith("expected one line");
  });
});

test("times are written as strftime(3) does, and unknown letters left alone", () => {
  expect(strftime("%d/%b/%Y %H:%M:%S %a %e %y %m %T %F %D %R %% %Q%t|", TIME)).toBe(
    "02/Jan/2026 03:04:05 Fri  2 26 01 03:04:05 2026-01-02 01/02/26 03:04 % %Q\t|",
  );
  expect(strftime("%s", TIME)).toBe(String(Math.floor(TIME.getTime() / 1000)));
  const zone = (minutes: number) =>
    strftime("%z", Object.assign(new Date(0), { getTimezoneOffset: () => minutes }));
  expect([zone(0), zone(-330), zone(210)]).toEqual(["+0000", "+0530", "-0330"]);
});

describe("the watch over an answer's header", () => {
  function watched(answer: string, cuts: readonly number[] = []): AnswerHead {
    const watch = new AnswerHead(true);
    const edges = [0, ...cuts.toSorted((a, b) => a - b), answer.length];
    const bytes = latin1Bytes(`..${answer}..`);
    for (let i = 1; i < edges.length; i++) watch.push(bytes, 2 + (edges[i - 1] ?? 0), 2 + (edges[i] ?? 0));
    return watch;
  }

  test.each([
    ["Content-Type: text/html\r\n\r\nbody", 200, 4],
    ["Status: 404 Not Found\r\nA: b\r\n\r\n", 404, 0],
    ["A: b\nstatus:503\n\nbody\n\nmore", 503, 10],
    ["Location: /x\r\n\r\n", 302, 0],
    ["Location: /x\r\nStatus: 301 Moved\r\n\r\n", 301, 0],
    ["X-Status: 500\r\n\r\n", 200, 0],
    ["Status: none\r\n\r\n", 200, 0],
    ["HTTP/1.1 418 Teapot\r\nA: b\r\n\r\nx", 418, 1],
    ["HTTP/1.1 418 Teapot\r\nStatus: 403\r\n\r\nx", 403, 1],
    ["Status: 499\r\n\r\n", 499, 0],
    ["Status: none\r\nStatus: 404\r\n\r\n", 200, 0],
    ["Location: /x\r\nlength: 1\r\nhttp/2 500\r\n\r\n", 302, 0],
    ["\r\nbody", undefined, 0],
    ["\nbody", undefined, 0],
    ["Status: 204\r\n", undefined, 0],
    ["", undefined, 0],
  ])("takes %p for %p with a body of %p bytes, wherever it is cut", (answer, status, bytes) => {
    fc.assert(
      fc.property(fc.array(fc.nat(answer.length)), (cuts) => {
        const watch = watched(answer, cuts);
        expect([watch.status, watch.bodyBytes]).toEqual([status as number, bytes]);
      }),
    );
  });

  test("finds header fields by their names", () => {
    const watch = watched("X-A:  one \r\nx-b: two\r\nX-AB: three\r\n\r\nX-C: four");
    expect(["x-a", "x-b", "x-ab", "x-c"].map((name) => watch.field(name))).toEqual([
      "one",
      "two",
      "three",
      undefined,
    ]);
  });

  test("costs no more when the header comes byte by byte, each in a record of its own", () => {
    const header = latin1Bytes(`Status: 404 x\r\nA: ${"x".repeat(60_000)}\r\n\r\n`);
    const blob = new Uint8Array(9 * header.length);
    for (const [index, byte] of header.entries()) blob[9 * index + 8] = byte;
    const started = performance.now();
    const watch = new AnswerHead(true);
    for (let at = 8; at < blob.length; at += 9) watch.push(blob, at, at + 1);
    expect(watch.status).toBe(404);
    // Looked at anew with each byte it took seconds.
    expect(performance.now() - started).toBeLessThan(1500);
  });

  test("reads a header of 64 KiB, and no longer one to its end", () => {
    const header = (bytes: number) => `Status: 404 x\r\nA: ${"x".repeat(bytes - 18)}`;
    const within = watched(header(64 * 1024));
    expect([within.status, within.bodyBytes]).toEqual([undefined as unknown as number, 0]);
    const above = watched(header(64 * 1024 + 1));
    above.push(latin1Bytes("12345"), 0, 5);
    expect([above.status, above.bodyBytes]).toEqual([404, 5]);
  });
});
