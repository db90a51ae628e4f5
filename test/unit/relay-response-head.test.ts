import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { AnswerWatch } from "../../src/relay/answer-watch.ts";
import { ResponseHead } from "../../src/relay/response-head.ts";

const bytes = (text: string) => Buffer.from(text, "latin1");

/** The status that is read of a header, cut at these places. */
function statusOf(header: string, cuts: readonly number[] = []): number {
  const head = new ResponseHead();
  const whole = bytes(header);
  const places = [...new Set([0, ...cuts.map((cut) => cut % (whole.length + 1)), whole.length])].sort(
    (a, b) => a - b,
  );
  for (const [index, from] of places.entries()) head.push(whole, from, places[index + 1] ?? whole.length);
  expect(head.isComplete).toBe(true);
  return head.status;
}

describe("the status of an answer", () => {
  const cases: [string, number][] = [
    ["Content-Type: text/plain\r\n\r\n", 200],
    ["Status: 404 Not Found\r\n\r\n", 404],
    ["status:500\n\n", 500],
    ["STATUS: \t 503\n\nStatus: 200\n", 503],
    ["X-Status: 500\nStatusx: 500\nStat: 1\n\n", 200],
    ["Location: /x\n\n", 302],
    ["Status: 201 Made\nLocation: /x\n\n", 201],
    ["Location: /x\nStatus: 307\n\n", 307],
    ["Status: 404\nStatus: 500\n\n", 404],
    ["HTTP/1.1 418 Teapot\nContent-Type: x\n\n", 418],
    ["A: b\nHTTP/1.1 418\n\n", 200],
    ["Status: many\nStatus: 404\n\n", 200],
    ["HTTP/1.0 301 Moved\nStatus: 404\n\n", 404],
    ["Status: 5\n\n", 200],
    ["s\nl\nh\n\n", 200],
  ];
  test.each(cases)("%j is %p, wherever it is cut", (header, status) => {
    expect(statusOf(header)).toBe(status);
    fc.assert(fc.property(fc.array(fc.nat(200)), (cuts) => expect(statusOf(header, cuts)).toBe(status)));
  });

  test("is the one that the access log reads of any header", () => {
    const line = fc.oneof(
      fc.constantFrom(
        "Status: 404 x",
        "status:502",
        "Location: /a",
        "HTTP/1.0 301 M",
        "Content-Type: a",
        "S: 1",
        "Lo",
      ),
      fc.string({ maxLength: 20 }).map((text) => text.replaceAll(/[^ -~]/g, "").trim() || "x"),
    );
    fc.assert(
      fc.property(
        fc.array(line, { minLength: 1 }),
        fc.boolean(),
        fc.array(fc.nat(300)),
        (lines, isCrLf, cuts) => {
          const end = isCrLf ? "\r\n" : "\n";
          const header = `${lines.join(end)}${end}${end}`;
          const watch = new AnswerWatch();
          watch.push(bytes(header), 0, header.length);
          expect(statusOf(header, cuts)).toBe(watch.status as number);
        },
      ),
    );
  });
});
