import { describe, expect, test } from "bun:test";
import { FpmError } from "../../src/base/errors.ts";
import { encodeRecord } from "../../src/fcgi/encoder.ts";
import { encodeParams, latin1 } from "../../src/fcgi/params.ts";
import { answerManagement } from "../../src/front/management.ts";
import { errorReply, statusOf } from "../../src/reply/error-reply.ts";

describe("management records", () => {
  const values = { maxConns: 50 };
  test("GET_VALUES is answered for the names that are known, once each", () => {
    const asked = encodeParams([
      ["FCGI_MPXS_CONNS", ""],
      ["FCGI_MAX_CONNS", ""],
      ["OTHER", ""],
      ["FCGI_MPXS_CONNS", ""],
    ]);
    const wanted = encodeRecord(
      10,
      0,
      encodeParams([
        ["FCGI_MPXS_CONNS", "1"],
        ["FCGI_MAX_CONNS", "50"],
      ]),
    );
    expect(answerManagement(9, asked, values)).toEqual(wanted);
  });

  test("any other type is UNKNOWN_TYPE with that type", () => {
    expect([...answerManagement(77, new Uint8Array(0), values)]).toEqual([
      1, 11, 0, 0, 0, 8, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0,
    ]);
  });
});

describe("an answer of our own", () => {
  test("is STDOUT with status and text, its end, and END_REQUEST with the request's id", () => {
    const reply = errorReply(0x102, new FpmError("SCRIPT_NOT_FOUND", "client", "secret path"));
    const text = latin1(reply);
    expect(text.slice(8)).toStartWith(
      "Status: 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nFile not found.\n",
    );
    expect([...reply.slice(-24)]).toEqual([
      1, 6, 1, 2, 0, 0, 0, 0, 1, 3, 1, 2, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
    expect(text).not.toContain("secret");
  });

  test("says when to come again only with 503", () => {
    expect(latin1(errorReply(1, new FpmError("QUEUE_FULL", "daemon", "")))).toContain(
      "\r\nRetry-After: 5\r\n",
    );
    expect(latin1(errorReply(1, new FpmError("BOOT_FAILED", "backend", "")))).not.toContain("Retry-After");
  });

  test.each([
    ["SCRIPT_MISSING", 400],
    ["SCRIPT_FORBIDDEN", 403],
    ["BODY_TIMEOUT", 408],
    ["SPAWN_FAILED", 502],
    ["BACKEND_BROKEN", 502],
    ["BREAKER_OPEN", 503],
    ["SHUTTING_DOWN", 503],
    ["START_TIMEOUT", 504],
    ["REQUEST_TIMEOUT", 504],
  ] as const)("is for %s %i", (code, status) => {
    expect(statusOf(new FpmError(code, "daemon", ""))).toBe(status);
  });
});
