import { describe, expect, test } from "bun:test";
import { type Backend, Lease, type LeaseUser } from "../../src/backend/backend.ts";
import { errorRecordLines } from "../../src/backend/error-records.ts";
import type { BackendDeps } from "../../src/backend/lent-backend.ts";
import type { Link } from "../../src/backend/link.ts";
import { UnreadWatch } from "../../src/backend/unread-watch.ts";
import { ByteQueue } from "../../src/base/byte-queue.ts";
import { FpmError } from "../../src/base/errors.ts";
import { encodeHead } from "../../src/fcgi/encoder.ts";
import { RequestHead } from "../../src/fcgi/head.ts";
import { FakeClock } from "../support/fake-clock.ts";

const USER: LeaseUser = { onBackendGone() {}, onUnseen() {}, onTakenBack() {}, onNotRead() {} };

/** A process that does as a test says, and a request that it is lent to. */
function lent(clock = new FakeClock()) {
  const notes: string[] = [];
  const backend = {
    program: { name: "/x.fcgi" },
    pid: 42,
    opens: true,
    isSeen: false,
    looks: 0,
    open: () => (backend.opens ? ({} as Link) : new FpmError("CONNECT_FAILED", "backend", "x")),
    isUnaccepted: () => !backend.isSeen,
    isBeingTaken: () => false,
    isUnread() {
      backend.looks++;
      return !backend.isSeen;
    },
    takeBack: () => void notes.push("take back"),
    onUnread: () => void notes.push("unread"),
    onErrorOutput: (_lease: Lease, bytes: Uint8Array) => void notes.push(`error ${bytes.length}`),
  };
  const lease = new Lease(backend as unknown as Backend, clock.now());
  const open = () => {
    const head = new RequestHead(encodeHead(1, 1, true, new Uint8Array(0)));
    const link = lease.open({ head, body: new ByteQueue() }, new Map(), false);
    lease.user = USER;
    return link;
  };
  return { backend, lease, notes, open };
}

describe("a process that is lent to a request", () => {
  test("has a link to it when it could be opened, and is known", () => {
    const { lease, open } = lent();
    expect([lease.isUnaccepted, lease.isUnread]).toEqual([false, false]);
    const link = open();
    expect([lease.link === link, lease.pid]).toEqual([true, 42]);
    expect([lease.isUnaccepted, lease.isUnread]).toEqual([true, true]);
  });

  test("has none where that failed", () => {
    const { backend, lease, open } = lent();
    backend.opens = false;
    expect(open()).toBeInstanceOf(FpmError);
    expect([lease.link, lease.isUnaccepted, lease.isUnread]).toEqual([undefined, false, false]);
  });

  test("has read the request once it was seen to, or has answered, and is not looked at again", () => {
    for (const how of ["seen", "answered"]) {
      const { backend, lease, open } = lent();
      open();
      expect(lease.isUnread).toBe(true);
      if (how === "seen") backend.isSeen = true;
      else lease.bytesOut = 1;
      expect(lease.isUnread).toBe(false);
      const { looks } = backend;
      backend.isSeen = false;
      lease.bytesOut = 0;
      expect([lease.isUnread, backend.looks]).toEqual([false, looks]);
    }
  });

  test("is not asked when the request is over", () => {
    const { lease, open } = lent();
    open();
    lease.user = undefined;
    expect(lease.isUnread).toBe(false);
  });

  test("has the request taken from it only where that may go to another one", () => {
    const { lease, notes } = lent();
    lease.mayBeTakenBack = false;
    lease.takeBack();
    expect(notes).toEqual([]);
    lease.mayBeTakenBack = true;
    lease.takeBack();
    expect(notes).toEqual(["take back"]);
  });

  test("has its error stream told, and is condemned with a reason and the child that is meant", () => {
    const { lease, notes } = lent();
    lease.onErrorOutput(new Uint8Array(3));
    lease.condemn("request timeout", 43);
    expect([notes, lease.verdict]).toEqual([["error 3"], { reason: "request timeout", worker: 43 }]);
  });
});

describe("requests that were handed over", () => {
  test("are looked at five milliseconds later, and every five as long as they are unread", () => {
    const clock = new FakeClock();
    const watch = new UnreadWatch(clock);
    clock.advance(1000);
    const [read, unread] = [lent(clock), lent(clock)];
    for (const { lease, open } of [read, unread]) {
      open();
      watch.add(lease);
    }
    read.backend.isSeen = true;
    clock.advance(4);
    expect([read.backend.looks, unread.backend.looks, clock.timers]).toEqual([0, 0, 1]);
    clock.advance(1);
    expect([read.notes, unread.notes]).toEqual([[], ["unread"]]);
    clock.advance(5);
    expect(unread.notes.length).toBe(2);
    unread.backend.isSeen = true;
    clock.advance(5);
    expect([unread.notes.length, clock.timers]).toEqual([2, 0]);
  });

  test("have five milliseconds each", () => {
    const clock = new FakeClock();
    const watch = new UnreadWatch(clock);
    const early = lent(clock);
    early.open();
    watch.add(early.lease);
    clock.advance(3);
    const late = lent(clock);
    late.open();
    watch.add(late.lease);
    clock.advance(2);
    expect([early.notes.length, late.notes.length]).toEqual([1, 0]);
    clock.advance(5);
    expect([early.notes.length, late.notes.length]).toEqual([2, 1]);
  });

  test("and stay unread are looked at in turn, sixteen at a time", () => {
    const clock = new FakeClock();
    const watch = new UnreadWatch(clock);
    const all = Array.from({ length: 24 }, () => lent(clock));
    for (const { lease, open } of all) {
      open();
      watch.add(lease);
    }
    const told = () => all.map(({ notes }) => notes.length);
    clock.advance(5);
    expect(told()).toEqual([...Array(16).fill(1), ...Array(8).fill(0)]);
    clock.advance(5);
    expect(told()).toEqual([...Array(8).fill(2), ...Array(16).fill(1)]);
  });

  test("and are over are forgotten, whether they were looked at or not, and so is one twice", () => {
    const clock = new FakeClock();
    const watch = new UnreadWatch(clock);
    const [early, middle, late] = [lent(clock), lent(clock), lent(clock)];
    for (const { lease, open } of [early, middle, late]) {
      open();
      watch.add(lease);
    }
    watch.remove(middle.lease);
    watch.remove(middle.lease);
    watch.remove(lent(clock).lease);
    clock.advance(5);
    expect([early.notes.length, middle.backend.looks, late.notes.length]).toEqual([1, 0, 1]);
    watch.remove(early.lease);
    clock.advance(5);
    expect([early.notes.length, middle.backend.looks, late.notes.length]).toEqual([1, 0, 2]);
    watch.remove(late.lease);
    clock.advance(5);
    expect(clock.timers).toBe(0);
  });

  test("and end while another one is told are not told any more", () => {
    const clock = new FakeClock();
    const watch = new UnreadWatch(clock);
    const [first, second] = [lent(clock), lent(clock)];
    first.backend.onUnread = () => {
      second.lease.user = undefined;
      watch.remove(second.lease);
    };
    for (const { lease, open } of [first, second]) {
      open();
      watch.add(lease);
    }
    clock.advance(5);
    expect(second.notes).toEqual([]);
  });
});

test("what a program says in its error stream is logged with its request, line by line, but for empty ones", () => {
  const logged: unknown[] = [];
  const charged: number[] = [];
  let mayLog = true;
  const { lease } = lent();
  lease.pid = 42;
  const deps = {
    log: { warn: (line: string, fields: unknown) => void logged.push([line, fields]) },
    naming: { fields: () => ({ name: "x" }) },
    outputLimit: {
      take: () => mayLog,
      charge: (_program: unknown, bytes: number) => void charged.push(bytes),
      drop: (_program: unknown, lines: number) => void charged.push(-lines),
    },
  };
  const lines = errorRecordLines(lease, deps as unknown as BackendDeps);
  lines.push(Buffer.from("one\n\n"));
  lease.head = { label: "GET /x" } as RequestHead;
  lines.push(Buffer.from("t\x01o\n"));
  expect(logged).toEqual([
    ["one", { program: "/x.fcgi", pid: 42, stream: "FCGI_STDERR", request: undefined }],
    ["t\x01o", { program: "/x.fcgi", pid: 42, stream: "FCGI_STDERR", request: "GET /x", name: "x" }],
  ]);
  // As it is written in the log.
  expect(charged).toEqual([3, "t\\x01o".length]);
  mayLog = false;
  lines.push(Buffer.from("\n".repeat(100)));
  expect([logged.length, charged.at(-1)]).toEqual([2, -35]);
});
