import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type CgiHead,
  CgiHeadParser,
  type HeadResult,
  MAX_HEAD_BYTES,
} from "../../src/client/cgi-response.ts";

function parse(...chunks: (string | Uint8Array)[]): HeadResult {
  const parser = new CgiHeadParser();
  for (const [index, chunk] of chunks.entries()) {
    const result = parser.push(typeof chunk === "string" ? Buffer.from(chunk, "latin1") : chunk);
    if (result.kind === "incomplete") continue;
    if (result.kind === "malformed") return result;
    return {
      ...result,
      rest: Buffer.concat([result.rest, ...chunks.slice(index + 1).map((rest) => Buffer.from(rest))]),
    };
  }
  return { kind: "incomplete" };
}

function head(text: string): CgiHead {
  const result = parse(text);
  if (result.kind !== "head") throw new Error(`${result.kind}: ${text}`);
  return result.head;
}

function problem(text: string): string {
  const result = parse(text);
  return result.kind === "malformed" ? result.reason : result.kind;
}

describe("the head of a CGI answer", () => {
  test("headers keep their order and their repetitions", () => {
    expect(head("Content-Type: text/plain\r\nSet-Cookie: a=1\r\nset-cookie:b=2\r\n\r\n")).toEqual({
      status: 200,
      statusText: "",
      headers: [
        ["Content-Type", "text/plain"],
        ["Set-Cookie", "a=1"],
        ["set-cookie", "b=2"],
      ],
    });
  });

  test("Status is taken out, wherever it stands", () => {
    expect(head("A: b\nstatus:  404  Not Found \n\n")).toEqual({
      status: 404,
      statusText: "Not Found",
      headers: [["A", "b"]],
    });
    expect(head("Status: 204\n\n").status).toBe(204);
  });

  test("a status line of HTTP counts as Status", () => {
    expect(head("HTTP/1.1 503 Busy\r\nA: b\r\n\r\n")).toEqual({
      status: 503,
      statusText: "Busy",
      headers: [["A", "b"]],
    });
  });

  test("Location without Status means 302", () => {
    expect(head("Location: /x\n\n").status).toBe(302);
    expect(head("Location: /x\nStatus: 301\n\n").status).toBe(301);
  });

  test("a folded line belongs to the one before", () => {
    expect(head("A: b\r\n  c\r\n\td\r\n\r\n").headers).toEqual([["A", "b c d"]]);
  });

  test("an empty first line is a head without headers", () => {
    expect(head("\r\nbody")).toEqual({ status: 200, statusText: "", headers: [] });
  });

  test("bytes above 127 stay bytes", () => {
    expect(head("A: \xff\xfc\n\n").headers).toEqual([["A", "\xff\xfc"]]);
  });

  test("output that is no head is told with the line", () => {
    expect(problem("hello world\n\n")).toBe('this is not a header line: "hello world"');
    expect(problem(" A: b\n\n")).toContain("not a header line");
    expect(problem("A b: c\n\n")).toContain("not a header line");
    expect(problem(": c\n\n")).toContain("not a header line");
    expect(problem("Status: fine\n\n")).toBe('this is not a status: "fine"');
    expect(problem("Status: 2000\n\n")).toContain("not a status");
  });

  test("256 KiB of headers are taken, a byte more is not", () => {
    const line = (length: number) => `A: ${"x".repeat(length - 4)}\n`;
    expect(parse(`${line(MAX_HEAD_BYTES - 1)}\nrest`).kind).toBe("head");
    expect(parse(`${line(MAX_HEAD_BYTES)}\nrest`).kind).toBe("malformed");
    expect(parse("x".repeat(MAX_HEAD_BYTES)).kind).toBe("incomplete");
    expect(parse("x".repeat(MAX_HEAD_BYTES), "y").kind).toBe("malformed");
  });

  test("it does not matter where the bytes are cut", () => {
    const name = fc.stringMatching(/^[A-Za-z-]{1,8}$/).filter((text) => text.toLowerCase() !== "status");
    const value = fc.stringMatching(/^[!-~\xa1-\xff]{0,12}$/);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(name, value)),
        fc.constantFrom("\n", "\r\n"),
        fc.uint8Array({ maxLength: 40 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (headers, newline, body, cuts) => {
          const text = headers.map(([key, content]) => `${key}: ${content}${newline}`).join("") + newline;
          const bytes = Buffer.concat([Buffer.from(text, "latin1"), body]);
          const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort(
            (a, b) => a - b,
          );
          const result = parse(
            ...places.slice(1).map((place, index) => bytes.subarray(places[index], place)),
          );
          expect(result.kind).toBe("head");
          if (result.kind !== "head") return;
          expect(result.head.headers as [string, string][]).toEqual(headers);
          expect(Buffer.from(result.rest).equals(Buffer.from(body))).toBe(true);
        },
      ),
    );
  });
});
