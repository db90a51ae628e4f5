import { describe, expect, test } from "bun:test";
import { ByteQueue } from "../../src/base/byte-queue.ts";
import { FpmError } from "../../src/base/errors.ts";
import type { AppConfig } from "../../src/config/config.ts";
import { encodeHead } from "../../src/fcgi/encoder.ts";
import { RequestHead } from "../../src/fcgi/head.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import { FCGI_AUTHORIZER, FCGI_FILTER, FCGI_RESPONDER } from "../../src/fcgi/protocol.ts";
import { limitBody } from "../../src/relay/body-limit.ts";
import type { ClientStream } from "../../src/relay/client-stream.ts";
import { mustBeSpooled } from "../../src/relay/spool.ts";
import { appConfig } from "../support/app-config.ts";

interface Asked {
  readonly method?: string;
  readonly length?: string | undefined;
  readonly role?: number;
  /** What has come of its body; with "end" all of it. */
  readonly body?: "nothing" | "end" | "some" | "some and the end";
}

/** A request as far as it has come. */
function request({ method = "POST", length, role = FCGI_RESPONDER, body = "nothing" }: Asked) {
  const params: [string, string][] = [["REQUEST_METHOD", method]];
  if (length !== undefined) params.push(["CONTENT_LENGTH", length]);
  const queue = new ByteQueue();
  const isComplete = body.endsWith("end");
  const bytes = (isComplete ? 8 : 0) + (body.startsWith("some") ? 9 : 0);
  queue.push(new Uint8Array(bytes), 0, bytes);
  const limits: number[] = [];
  const client = {
    head: new RequestHead(encodeHead(1, role, true, encodeParams(params))),
    body: queue,
    bodyBytes: body.startsWith("some") ? 1 : 0,
    isBodyComplete: isComplete,
    limitBody: (most: number) => void limits.push(most),
  };
  return { client: client as unknown as ClientStream, limits };
}

describe("a body is taken whole before a program gets it", () => {
  const isSpooled = (asked: Asked, app: Partial<AppConfig> = {}) =>
    mustBeSpooled(request(asked).client, appConfig(app));

  test("when its length is not told, also where it is empty: the program is told a length then", () => {
    for (const length of [undefined, "", "-1"]) {
      expect(isSpooled({ length })).toBe(true);
      expect(isSpooled({ length, body: "end" })).toBe(true);
      expect(isSpooled({ length, body: "some and the end", method: "GET" })).toBe(true);
    }
  });

  test("but a GET without a word of a body has none", () => {
    expect(isSpooled({ method: "GET", body: "end" })).toBe(false);
    expect(isSpooled({ method: "GET", body: "end", length: "" })).toBe(false);
    expect(isSpooled({ method: "GET", body: "end", length: "-1" })).toBe(true);
    expect(isSpooled({ method: "GET", body: "nothing" })).toBe(true);
  });

  test("and not when its length is told, unless the settings or plain CGI ask for it and more is to come", () => {
    const announced = { length: "100", body: "some" } as const;
    expect(isSpooled(announced)).toBe(false);
    expect([isSpooled(announced, { spool: "always" }), isSpooled(announced, { protocol: "cgi" })]).toEqual([
      true,
      true,
    ]);
    expect(isSpooled({ length: "1", body: "some and the end" }, { spool: "always" })).toBe(false);
  });

  test("and never with spool = never, nor for another role than a Responder", () => {
    expect(isSpooled({}, { spool: "never" })).toBe(false);
    for (const role of [FCGI_AUTHORIZER, FCGI_FILTER]) expect(isSpooled({ role })).toBe(false);
  });
});

describe("max_body", () => {
  /** What becomes of it: a code, or what more of it may come. */
  const outcome = (asked: Asked, maxBodyBytes: number) => {
    const { client, limits } = request(asked);
    try {
      limitBody(client, appConfig({ maxBodyBytes }));
      return limits;
    } catch (error) {
      return error instanceof FpmError ? error.code : error;
    }
  };

  test("holds for what is announced, and for what comes", () => {
    expect(outcome({ length: "100" }, 100)).toEqual([100]);
    expect(outcome({ length: "101" }, 100)).toBe("BODY_TOO_LARGE");
    expect(outcome({ length: undefined }, 100)).toEqual([100]);
    expect(outcome({ length: "0", body: "some" }, 1)).toEqual([1]);
    expect(outcome({ length: "2", body: "some" }, 1)).toBe("BODY_TOO_LARGE");
  });

  test("is none with 0, nor for an Authorizer, which gets no body", () => {
    expect(outcome({ length: "101" }, 0)).toEqual([]);
    expect(outcome({ length: "101", role: FCGI_AUTHORIZER }, 100)).toEqual([]);
  });
});
