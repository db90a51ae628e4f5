import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { encodeRecord, encodeStream } from "../../src/fcgi/encoder.ts";
import { encodeParams, latin1 } from "../../src/fcgi/params.ts";
import {
  FCGI_ABORT_REQUEST,
  FCGI_AUTHORIZER,
  FCGI_BEGIN_REQUEST,
  FCGI_DATA,
  FCGI_END_REQUEST,
  FCGI_GET_VALUES,
  FCGI_GET_VALUES_RESULT,
  FCGI_STDIN,
  FCGI_STDOUT,
  FCGI_UNKNOWN_ROLE,
  FCGI_UNKNOWN_TYPE,
} from "../../src/fcgi/protocol.ts";
import { connectFcgi, type FcgiRecord } from "../support/fcgi-connection.ts";
import { patternBytes } from "../support/pattern.ts";
import { type Site, startSite } from "../support/site.ts";
import { waitUntil } from "../support/wait-until.ts";

let site: Site;
let lab: string;

beforeAll(async () => {
  site = await startSite();
  lab = `${site.root}/lab.fcgi`;
});

afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

const query = (text: string) => ({ params: { QUERY_STRING: text } });
const isEnd = ({ type }: FcgiRecord) => type === FCGI_END_REQUEST;
const bodyOf = (stdout: string) => stdout.slice(stdout.indexOf("\r\n\r\n") + 4);

describe("a connection", () => {
  test("is closed after the answer when it is not to be kept", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    expect((await connection.request(lab)).protocolStatus).toBe(0);
    await connection.closed();
  });

  test("serves several requests in turn when it is to be kept", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    for (const id of [1, 2, 3, 1000, 65_535]) {
      const answer = await connection.request(lab, { id, keepConn: true });
      expect([answer.appStatus, answer.protocolStatus]).toEqual([0, 0]);
      expect(bodyOf(answer.stdout)).toMatch(/^\d+$/);
    }
    expect(connection.isClosed).toBe(false);
  });

  test("serves interleaved requests, each by a process of its own", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    const ids = [1, 3, 5];
    for (const id of ids) {
      await connection.send(connection.encode(lab, { id, keepConn: true, body: null, ...query("op=echo") }));
    }
    for (let piece = 0; piece < 4; piece++) {
      for (const id of ids) {
        await connection.send(encodeStream(FCGI_STDIN, id, Buffer.from(`${id}.${piece} `), false));
      }
    }
    for (const id of ids) await connection.send(encodeStream(FCGI_STDIN, id, new Uint8Array(), true));
    for (const id of ids) {
      expect(bodyOf((await connection.answer(id)).stdout)).toBe(`${id}.0 ${id}.1 ${id}.2 ${id}.3 `);
    }
  });

  test("hands no record of a body on that comes after its end: the next request there is another client's", async () => {
    await using one = await startSite({
      files: { "records.fcgi": { copyOf: "test/fixtures/programs/records.fcgi" } },
      app: "max_processes = 1",
    });
    const script = `${one.root}/records.fcgi`;
    using connection = await connectFcgi(one.fpm.socket);
    const first = await connection.request(script, { keepConn: true });
    expect(bodyOf(first.stdout)).toMatch(/^1 4( 4)* 5$/);
    for (const type of [FCGI_STDIN, FCGI_DATA]) {
      await connection.send(connection.encode(script, { id: type, keepConn: true }));
      await connection.send(encodeRecord(type, type, Buffer.from("smuggled")));
      await connection.answer(type);
      using next = await connectFcgi(one.fpm.socket);
      expect((await next.request(script)).stdout).toBe(first.stdout);
    }
  });

  test("ends a request that another one supersedes, and serves both answers", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    for (let turn = 0; turn < 300; turn++) {
      const params = { CONTENT_LENGTH: "1000000", REQUEST_METHOD: "POST" };
      await connection.send(
        connection.encode(`${site.root}/nowhere.fcgi`, { keepConn: true, body: null, params }),
      );
      await connection.send(encodeStream(FCGI_STDIN, 1, new Uint8Array(100), false));
      await waitUntil("it is answered", () => connection.records.filter(isEnd).length === turn + 1);
    }
    expect((await connection.request(lab, { id: 2, keepConn: true })).protocolStatus).toBe(0);
  });

  test("serves a second request while the first still works", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    await connection.send(connection.encode(lab, { id: 1, keepConn: true, ...query("op=sleep&ms=1500") }));
    const started = performance.now();
    await connection.request(lab, { id: 2, keepConn: true });
    expect(performance.now() - started).toBeLessThan(1_000);
    await connection.answer(1);
  });

  test("serves a request that comes byte by byte", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    const bytes = connection.encode(lab, { body: Buffer.from("slow body"), ...query("op=echo") });
    for (const byte of bytes) await connection.send(Uint8Array.of(byte));
    expect(bodyOf((await connection.answer()).stdout)).toBe("slow body");
  });

  test("streams both ways at once: the answer begins while the body still comes", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    const body = patternBytes(3_000_000);
    const { params } = query("op=stream");
    const announced = { ...params, CONTENT_LENGTH: String(body.length) };
    await connection.send(connection.encode(lab, { body: null, params: announced }));
    await connection.send(encodeStream(FCGI_STDIN, 1, body.subarray(0, 1_000_000), false));
    await waitUntil("the answer has begun", () =>
      connection.records.some(({ type }) => type === FCGI_STDOUT),
    );
    await connection.send(encodeStream(FCGI_STDIN, 1, body.subarray(1_000_000), true));
    const answer = bodyOf((await connection.answer()).stdout);
    expect(answer === latin1(body)).toBe(true);
  });

  test("whose client does not read for a while still gets every byte", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    connection.pause();
    await connection.send(connection.encode(lab, query("op=download&bytes=20000000")));
    await Bun.sleep(500);
    connection.resume();
    expect(bodyOf((await connection.answer()).stdout).length).toBe(20_000_000);
  });
});

describe("management records", () => {
  test("GET_VALUES is answered: one connection serves several requests", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    await connection.send(encodeRecord(FCGI_GET_VALUES, 0, encodeParams([["FCGI_MPXS_CONNS", ""]])));
    await waitUntil("the values come", () => connection.records.length > 0);
    const [record] = connection.records;
    expect([record?.type, record?.requestId]).toEqual([FCGI_GET_VALUES_RESULT, 0]);
    expect(latin1(record?.content ?? new Uint8Array())).toBe("\x0f\x01FCGI_MPXS_CONNS1");
  });

  test("an unknown management type gets UNKNOWN_TYPE, and the connection goes on", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    await connection.send(encodeRecord(77, 0, new Uint8Array()));
    await waitUntil("the answer comes", () => connection.records.length > 0);
    const [record] = connection.records;
    expect([record?.type, record?.requestId, record?.content[0]]).toEqual([FCGI_UNKNOWN_TYPE, 0, 77]);
    expect((await connection.request(lab)).protocolStatus).toBe(0);
  });
});

describe("roles and aborts", () => {
  test("an unknown role is refused with UNKNOWN_ROLE", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    const answer = await connection.request(lab, { role: 9 });
    expect(answer.protocolStatus).toBe(FCGI_UNKNOWN_ROLE);
  });

  test("an AUTHORIZER request without any STDIN record is answered", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    await connection.send(connection.encode(lab, { role: FCGI_AUTHORIZER, body: null }));
    expect(bodyOf((await connection.answer()).stdout)).toMatch(/^\d+$/);
  });

  test("an AUTHORIZER that reads its STDIN finds the end of it, whatever the web server sends of a body", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    for (const body of [null, Buffer.alloc(0), Buffer.from("a form")]) {
      await connection.send(
        connection.encode(lab, { role: FCGI_AUTHORIZER, body, keepConn: true, ...query("op=count") }),
      );
      expect(bodyOf((await connection.answer()).stdout)).toBe("0");
    }
  });

  test("BEGIN and ABORT without any PARAMS are answered with END_REQUEST", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    await connection.send(encodeRecord(FCGI_BEGIN_REQUEST, 7, Uint8Array.of(0, 1, 1, 0, 0, 0, 0, 0)));
    await connection.send(encodeRecord(FCGI_ABORT_REQUEST, 7, new Uint8Array()));
    await connection.answer(7);
    expect((await connection.request(lab, { id: 7, keepConn: true })).protocolStatus).toBe(0);
  });

  test("ABORT_REQUEST of a working request is answered soon, and the connection goes on", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    await connection.send(connection.encode(lab, { id: 1, keepConn: true, ...query("op=sleep&ms=1000") }));
    await connection.send(encodeRecord(FCGI_ABORT_REQUEST, 1, new Uint8Array()));
    await connection.answer(1);
    expect((await connection.request(lab, { id: 2, keepConn: true })).protocolStatus).toBe(0);
  });
});

describe("garbage", () => {
  test.each([
    ["a wrong version", Uint8Array.of(9, 1, 0, 1, 0, 8, 0, 0)],
    ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")],
    ["zeros", new Uint8Array(64)],
  ])("%s ends that connection and touches nothing else", async (_name, bytes) => {
    using other = await connectFcgi(site.fpm.socket);
    await other.send(other.encode(lab, query("op=sleep&ms=300")));
    using connection = await connectFcgi(site.fpm.socket);
    await connection.send(bytes);
    await connection.closed();
    expect((await other.answer()).protocolStatus).toBe(0);
  });

  test("ends its connection with one line in the log", async () => {
    await using quiet = await startSite();
    const linesBefore = quiet.fpm.log().split("\n").length;
    using connection = await connectFcgi(quiet.fpm.socket);
    await connection.send(Buffer.from("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"));
    await connection.closed();
    await waitUntil("it is logged", () => quiet.fpm.log().split("\n").length > linesBefore);
    const lines = quiet.fpm
      .log()
      .split("\n")
      .slice(linesBefore - 1, -1);
    expect(lines.filter((line) => /\b(warn|error)\b/i.test(line)).length).toBeLessThanOrEqual(1);
  });

  test("parameters whose lengths lie are a 400 or the end of the connection, nothing else", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    const begin = encodeRecord(FCGI_BEGIN_REQUEST, 1, Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 0));
    const params = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x7f, 65, 66, 67);
    await connection.send(
      Buffer.concat([begin, encodeRecord(4, 1, params), encodeRecord(4, 1, new Uint8Array())]),
    );
    await waitUntil("it is over", () => connection.isClosed);
    const stdout = connection.records.find(({ type }) => type === FCGI_STDOUT);
    if (stdout) expect(latin1(stdout.content)).toStartWith("Status: 400");
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  });

  test("random bytes from 50 connections leave a server that works", async () => {
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        using connection = await connectFcgi(site.fpm.socket);
        await connection.send(crypto.getRandomValues(new Uint8Array(1_000)));
      }),
    );
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  });
});
