import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CgiHead } from "../../src/backend/cgi-head.ts";

const bytes = (text: string) => Buffer.from(text, "latin1");

/** What is handed on of output that comes in these pieces, and what is wrong with it. */
function passed(pieces: readonly string[]) {
  const head = new CgiHead();
  let output = "";
  for (const piece of pieces) {
    if (head.problem !== undefined) break;
    const some = head.isComplete ? bytes(piece) : head.push(bytes(piece));
    output += some ? Buffer.from(some).toString("latin1") : "";
  }
  return { output, problem: head.problem ?? (head.isComplete ? undefined : head.problemAtEnd) };
}

const CASES: readonly (readonly [what: string, output: string, passedOn: string])[] = [
  [
    "a header passes as it is",
    "Content-Type: text/plain\n\nbody\n\n",
    "Content-Type: text/plain\n\nbody\n\n",
  ],
  ["with CR LF, too", "Status: 404 No\r\nA: b\r\n\r\nbody", "Status: 404 No\r\nA: b\r\n\r\nbody"],
  ["and in both ways at once", "A: b\r\n\nbody", "A: b\r\n\nbody"],
  ["with bytes of any kind", "A: \xe4\xff\n\n\0\xff", "A: \xe4\xff\n\n\0\xff"],
  [
    "a status line becomes Status",
    "HTTP/1.1 201 Created\r\nA: b\r\n\r\nx",
    "Status: 201 Created\r\nA: b\r\n\r\nx",
  ],
  ["also without a reason or fields", "HTTP/1.0 200\n\nx", "Status: 200\n\nx"],
  ["of HTTP/2", "HTTP/2 404 Not Found\n\n", "Status: 404 Not Found\n\n"],
  [
    "answers 1xx are left out",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\nx",
    "Status: 200 OK\r\nA: b\r\n\r\nx",
  ],
  ["a 1xx may be followed by a plain header", "HTTP/1.1 100 Continue\n\nA: b\n\nx", "A: b\n\nx"],
];

describe("the header of what a CGI program prints", () => {
  test.each(CASES)("%s", (_what, output, expected) => {
    expect(passed([output])).toEqual({ output: expected, problem: undefined });
    expect(passed([...output])).toEqual({ output: expected, problem: undefined });
  });

  test("is the same wherever it is cut", () => {
    const cuts = fc.array(fc.nat({ max: 120 }), { maxLength: 6 });
    fc.assert(
      fc.property(fc.constantFrom(...CASES), cuts, ([, output, expected], at) => {
        const places = [0, ...at.filter((cut) => cut < output.length).sort((a, b) => a - b), output.length];
        const pieces = places.slice(1).map((end, index) => output.slice(places[index], end));
        expect(passed(pieces).output).toBe(expected);
      }),
    );
  });

  test.each([
    ["", "printed nothing"],
    ["A: b\nno end", 'printed no whole header: its first line is "A: b"'],
    ["A: b", 'printed no whole header: its first line is "A: b"'],
    ["hello\nA: b\n\n", 'printed no header: its first line is "hello"'],
    ["\n\nbody", 'printed no header: its first line is ""'],
    ["HTTP/1.1 OK\n\n", 'printed no header: its first line is "HTTP/1.1 OK"'],
    ["HTTP/1.1 100 Continue\n\n", "printed nothing"],
    ["x".repeat(8193), `printed no header: its first line is "${"x".repeat(200)}"`],
  ])("%j is none: %s", (output, problem) => {
    expect(passed([output])).toEqual({ output: "", problem });
    expect(passed([...output])).toEqual({ output: "", problem });
  });

  test("has a first line of 8 KiB at the most", () => {
    const most = `A: ${"b".repeat(8192 - 3)}`;
    expect(passed([most]).problem).toStartWith("printed no whole header");
    expect(passed([most, "b"]).problem).toStartWith("printed no header");
    expect(passed([most, "\n\n"]).output).toBe(`${most}\n\n`);
  });

  test("has begun with its first byte", () => {
    const head = new CgiHead();
    expect(head.hasBegun).toBe(false);
    head.push(bytes("A"));
    expect(head.hasBegun).toBe(true);
    head.push(bytes(": b\n\n"));
    expect([head.hasBegun, head.isComplete]).toEqual([true, true]);
  });

  test("may come a byte at a time: that takes no longer than its bytes do", () => {
    const head = new CgiHead();
    head.push(bytes(`X: y\n${"a\n".repeat(30_000)}`));
    const since = performance.now();
    for (let i = 0; i < 5000; i++) expect(head.push(bytes("b"))).toBeUndefined();
    // With a copy and a look at all of it for each of them it takes seconds.
    expect(performance.now() - since).toBeLessThan(400);
    expect(head.push(bytes("\n\nbody"))).toHaveLength(5 + 60_000 + 5000 + 6);
  });

  test("is handed on as it comes from 64 KiB on", () => {
    const long = `A: ${"b".repeat(64 * 1024 - 3)}`;
    expect(passed([`A: b\n${"c: d\n".repeat(13_200)}`]).output).toHaveLength(5 + 66_000);
    const line = `A: b\n`;
    const most = `${line}${"c".repeat(64 * 1024 - line.length)}`;
    expect([passed([most]).output.length, passed([`${most}c`]).output.length]).toEqual([0, 64 * 1024 + 1]);
    expect(passed([long]).problem).toStartWith("printed no header");
  });
});
