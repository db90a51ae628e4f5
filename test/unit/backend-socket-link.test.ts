import { describe, expect, test } from "bun:test";
import { readSync } from "node:fs";
import { connectFailed, SocketLink } from "../../src/backend/socket-link.ts";
import { ByteBudget } from "../../src/base/byte-budget.ts";
import { ByteQueue } from "../../src/base/byte-queue.ts";
import { FpmError } from "../../src/base/errors.ts";
import type { Log } from "../../src/base/log.ts";
import type { RecordSink } from "../../src/fcgi/decoder.ts";
import { encodeEndRequest, encodeHead, encodeRecord } from "../../src/fcgi/encoder.ts";
import { type ParamChanges, RequestHead } from "../../src/fcgi/head.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import { FCGI_ABORT_REQUEST, FCGI_STDIN } from "../../src/fcgi/protocol.ts";
import { socketPair } from "../support/socket-pair.ts";
import { waitUntil } from "../support/wait-until.ts";

const MIB = 1024 * 1024;

/** A link whose other end a test holds, as a program does. */
function world() {
  const pair = socketPair();
  const heard: string[] = [];
  const link = SocketLink.adopt(pair.fd, {
    log: { error: (line: string) => void heard.push(line) } as unknown as Log,
    buffers: new ByteBudget(1e9),
    onStray: () => void heard.push("stray"),
  });
  if (link instanceof FpmError) throw link;
  const user = {
    onLinkData: (chunk: Uint8Array) => void heard.push(`data ${chunk.length}`),
    onLinkDrain: () => void heard.push("drain"),
    onLinkClosed: (reason: string | undefined) => void heard.push(`closed ${reason}`),
    onLinkUnanswered() {},
    onLinkFailed() {},
  };
  link.use(user);
  const request = (bodyBytes = 0, changes: ParamChanges = new Map(), keepConn = true) => {
    const head = new RequestHead(encodeHead(7, 1, true, new Uint8Array(0)));
    const body = new ByteQueue();
    body.push(new Uint8Array(bodyBytes), 0, bodyBytes);
    return link.writeRequest(head, changes, keepConn, body);
  };
  return {
    ...{ link, user, heard, pair, request },
    /** But for what the runtime says when nothing waited (Bun 1.4.5). */
    told: () => heard.filter((word) => word !== "drain"),
    /** What the program reads. */
    read(most: number) {
      const bytes = Buffer.alloc(most);
      return bytes.subarray(0, readSync(pair.peerFd, bytes));
    },
    [Symbol.dispose]() {
      link.close();
      pair.hangUp();
    },
  };
}

describe("a connection to a program", () => {
  test("gives each request an id of its own, from 1 on, and knows those before", () => {
    using all = world();
    const idOf = (record: Buffer) => record.readUInt16BE(2);
    for (const id of [1, 2, 3]) {
      all.request();
      expect([all.link.requestId, idOf(all.read(1000))]).toEqual([id, id]);
    }
    expect([0, 1, 2, 3, 4].map((id) => all.link.isStale(id))).toEqual([false, true, true, false, false]);
    const body = encodeRecord(FCGI_STDIN, 7, Buffer.from("body"));
    all.link.write(body, 0, body.length);
    expect(idOf(all.read(1000))).toBe(3);
  });

  test("sends head and body at once, the head as its program is to have it", () => {
    using all = world();
    const pairs = encodeParams([["X", "1"]]);
    const records = (keepConn: boolean) => Buffer.from(encodeHead(1, 1, keepConn, new Uint8Array(0)));
    expect(all.request(9)).toBe(records(true).length + 9);
    const sent = all.read(1000);
    expect([sent.subarray(0, -9), sent.length]).toEqual([records(true), records(true).length + 9]);
    all.request(0, new Map(), false);
    expect(new RequestHead(all.read(1000)).keepConn).toBe(false);
    // Of a chunk in which others stand before it only its own bytes count.
    const chunk = Uint8Array.from([9, 9, 9, ...records(true)]);
    const within = new RequestHead(chunk, 3);
    expect(all.link.writeRequest(within, new Map(), true, new ByteQueue())).toBe(within.bytes);
    expect([all.link.isUnread, all.read(1000).length]).toEqual([true, records(true).length]);
    const bytes = all.request(0, new Map([["X", "1"]]));
    expect(bytes).toBe(encodeHead(4, 1, true, pairs).length);
    expect(all.read(1000)).toEqual(Buffer.from(encodeHead(4, 1, true, pairs)));
  });

  test("decodes what comes for its requests in turn, by the same decoder", () => {
    using all = world();
    const heard: string[] = [];
    const sinkOf = (name: string): RecordSink => ({
      onRecord(type) {
        heard.push(`${name} ${type}`);
        return null;
      },
      onContent() {},
      onRecordEnd() {},
      onMalformed() {},
    });
    const decoder = all.link.decoderFor(sinkOf("a"));
    decoder.push(encodeEndRequest(1, 0, 0));
    expect(all.link.decoderFor(sinkOf("b"))).toBe(decoder);
    decoder.push(encodeEndRequest(2, 0, 0));
    expect(heard).toEqual(["a 3", "b 3"]);
    // Who has had the link is not held by it.
    all.link.use(undefined);
    decoder.push(encodeEndRequest(2, 0, 0));
    all.link.decoderFor(sinkOf("c"));
    all.link.close();
    decoder.push(encodeEndRequest(3, 0, 0));
    expect(heard).toEqual(["a 3", "b 3"]);
  });

  test("begins with 1 again after the last id, and all others are of earlier requests then", () => {
    using all = world();
    for (let id = 1; id <= 0xffff; id++) {
      all.request();
      all.read(1000);
    }
    expect([all.link.requestId, all.link.isStale(0xffff)]).toEqual([0xffff, false]);
    all.request();
    expect([all.link.requestId, all.read(1000).readUInt16BE(2)]).toEqual([1, 1]);
    expect([0, 1, 2, 0xffff].map((id) => all.link.isStale(id))).toEqual([false, false, true, true]);
    // What nobody waits for has the id before: the last one.
    all.link.probe();
    expect(all.read(1000).readUInt16BE(2)).toBe(0xffff);
  });

  test("asks a program whether it reads on by what every program drops", () => {
    using all = world();
    for (const _ of [1, 2]) all.request();
    all.read(1000);
    expect(all.link.isAllRead).toBe(true);
    all.link.probe();
    expect(all.link.isAllRead).toBe(false);
    const question = all.read(1000);
    expect([question[1], question.readUInt16BE(2)]).toEqual([FCGI_ABORT_REQUEST, 1]);
    expect(all.link.isAllRead).toBe(true);
  });

  test("knows a request as unread until the program has read a byte of it", () => {
    using all = world();
    expect(all.link.isUnread).toBe(false);
    all.request(100);
    all.link.write(new Uint8Array(50), 0, 50);
    expect(all.link.isUnread).toBe(true);
    all.read(1);
    expect(all.link.isUnread).toBe(false);
    all.read(1000);
    all.request(4 * MIB);
    expect([all.link.isUnread, all.link.isWaiting, all.link.peerInode > 0]).toEqual([true, true, true]);
  });

  test("holds what the program does not take, and tells when that was taken", async () => {
    using all = world();
    all.request(100);
    expect([all.link.isWaiting, all.link.isCongested, all.link.isReusable]).toEqual([false, false, true]);
    const body = new Uint8Array(4 * MIB);
    all.link.write(body, 0, body.length);
    expect([all.link.isWaiting, all.link.isCongested, all.link.isReusable]).toEqual([true, true, false]);
    await waitUntil("all is read", () => {
      while (!all.link.isAllRead && all.link.isUnread) all.read(MIB);
      if (!all.link.isAllRead) all.read(MIB);
      return all.heard.includes("drain");
    });
    expect([all.link.isWaiting, all.link.isCongested]).toEqual([false, false]);
  });

  test("hands on what the program sends, not while it is paused", async () => {
    using all = world();
    all.pair.sendBack(10);
    await waitUntil("it comes", () => all.told().length > 0);
    all.link.pause();
    all.link.pause();
    all.pair.sendBack(20);
    await Bun.sleep(20);
    expect([all.told(), all.link.isPaused]).toEqual([["data 10"], true]);
    // Whoever has it next reads.
    all.link.use(all.user);
    await waitUntil("the rest comes", () => all.told().length > 1);
    expect([all.told(), all.link.isPaused]).toEqual([["data 10", "data 20"], false]);
  });

  test("ends when something comes between two requests", async () => {
    using all = world();
    all.link.use(undefined);
    all.pair.sendBack(1);
    await waitUntil("it is seen", () => all.told().length > 0);
    expect([all.told(), all.link.isOpen]).toEqual([["stray"], false]);
  });

  test("carries no other request when it was spoilt", () => {
    using all = world();
    expect(all.link.isReusable).toBe(true);
    all.link.spoil();
    expect([all.link.isReusable, all.link.isOpen]).toEqual([false, true]);
  });

  test("is over when the program closes it, which is told once", async () => {
    using all = world();
    all.pair.hangUp();
    await waitUntil("it is told", () => all.told().length > 0);
    all.link.onClosed("again");
    expect([all.told(), all.link.isOpen, all.link.isReusable]).toEqual([["closed undefined"], false, false]);
    expect([all.link.isUnread, all.link.isAllRead, all.link.peerInode]).toEqual([false, false, 0]);
  });

  test("after an exception of ours ends with a word about it, and nothing is told of one that was closed", () => {
    using all = world();
    all.link.onBug(new Error("oops"));
    expect(all.told()).toEqual(["a bug in std-fpm: oops", "closed a bug in std-fpm"]);
    using closed = world();
    closed.link.close();
    closed.link.onClosed("why");
    closed.request();
    expect([closed.heard, closed.link.requestId]).toEqual([[], 0]);
  });
});

test("a connection that cannot be made is told with the reason, and whose fault it is", () => {
  const told = (outcome: Parameters<typeof connectFailed>[1]) => {
    const { code, message } = connectFailed("/run/x", outcome);
    return `${code} ${message}`;
  };
  expect(told({ kind: "full" })).toBe("CONNECT_FAILED Connecting to /run/x failed: its backlog is full.");
  expect(told({ kind: "no descriptors" })).toStartWith("NO_DESCRIPTORS Connecting to /run/x failed: ");
  const refused = { kind: "refused", reason: "No such file or directory" } as const;
  expect(told(refused)).toBe("CONNECT_FAILED Connecting to /run/x failed: No such file or directory.");
});
