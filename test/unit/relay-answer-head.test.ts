import { describe, expect, test } from "bun:test";
import { AnswerHead } from "../../src/relay/answer-head.ts";

/** What is made of a header, as it comes to its end. */
function headOf(header: string): AnswerHead {
  const head = new AnswerHead(true);
  const bytes = Buffer.from(`${header}\n\n`);
  head.push(bytes, 0, bytes.length);
  return head;
}

/** What is made of these first bytes of a chunk, when more of a header is not waited for. */
function givenUp(chunk: string, bytes: number): AnswerHead {
  const head = new AnswerHead(true);
  head.push(Buffer.from(chunk), 0, bytes);
  head.complete();
  return head;
}

describe("the status of an answer", () => {
  test.each([
    ["a status line", "HTTP/1.1 404 Not Found\nHost: x", 404],
    ["a status line that is not the first", "A: b\nHTTP/1.1 404 Not Found", 200],
    ["a name without its colon", "Status 404\nA: b", 200],
    ["a longer name", "Statuses: 404", 200],
    ["two of the field", "Status: 404\nStatus: 500", 404],
    ["a field behind a status line", "HTTP/1.1 404 x\nStatus: 500", 500],
    ["a status that is no number", "Status: OK\nLocation: /x", 302],
  ])("is what web servers make of %s", (_what, header, status) => {
    expect(headOf(header).status).toBe(status);
  });

  test("of a header that was given up is what it says so far, and nothing that stands behind it", () => {
    expect(givenUp("A: b\nLocation:", 14).status).toBe(302);
    expect(givenUp("Status: 404", 11).status).toBe(404);
    expect(givenUp("Status: 404", 10).status).toBe(200);
    expect(givenUp("A: b\nStatus: 404", 11).status).toBe(200);
  });
});

describe("a field of an answer", () => {
  test("is found in whatever letters its name is written", () => {
    const head = headOf("X-ZONE-A: one\nx-b:two \r\nX-[: three");
    expect([head.field("x-zone-a"), head.field("x-b"), head.field("x-[")]).toEqual(["one", "two", "three"]);
  });

  test("is absent where there is none of this very name", () => {
    const head = headOf("X-Zone: one\nA: x-b: two");
    for (const name of ["x-zon", "x-zone-a", "zone", "x-b", "x-zone: one"]) {
      expect(head.field(name)).toBeUndefined();
    }
  });

  test("of a header that was given up ends where that does", () => {
    expect(givenUp("A: one two", 6).field("a")).toBe("one");
  });
});
