import { describe, expect, test } from "bun:test";
import type { Link } from "../../src/backend/link.ts";
import { ByteBudget } from "../../src/base/byte-budget.ts";
import { ByteQueue } from "../../src/base/byte-queue.ts";
import { FpmError } from "../../src/base/errors.ts";
import type { ClientListener, ClientStream } from "../../src/relay/client-stream.ts";
import { SpoolFile } from "../../src/relay/spool-file.ts";
import { SpoolSpace } from "../../src/relay/spool-space.ts";
import { SpooledClient } from "../../src/relay/spooled-client.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { waitUntil } from "../support/wait-until.ts";

/** A client and a listener, which note what they hear. */
function world() {
  const notes: string[] = [];
  const asked: unknown[] = [];
  let heard: ClientListener | undefined;
  const note =
    (what: string) =>
    (...args: unknown[]) =>
      void asked.push([what, ...args]);
  const client = {
    isGone: true,
    isAnswered: true,
    listen(next: ClientListener | undefined) {
      heard = next;
    },
    whenLeft: note("whenLeft"),
    limitBody: note("limitBody"),
    complete: note("complete"),
    refuse: note("refuse"),
    truncate: note("truncate"),
    respond: (...part: unknown[]) => asked.push(["respond", ...part]) > 0,
    forwardStderr: (...part: unknown[]) => asked.push(["stderr", ...part]) > 0,
  } as unknown as ClientStream;
  const listener: ClientListener = {
    onBody: (_chunk, start, end) => void notes.push(`body ${end - start}`),
    onBodyEnd: () => void notes.push("end"),
    onClientDrain: () => void notes.push("drain"),
    onClientLeft: () => void notes.push("left"),
    onBodyFailed: (error) => void notes.push(`failed: ${error.code}`),
    mayBeUnseen: false,
  };
  return { notes, asked, heard: () => heard, client, listener };
}

async function fileOf(bytes: number): Promise<SpoolFile> {
  const file = await SpoolFile.create(
    new SpoolSpace({ spoolDir: "/var/tmp", spoolLimitBytes: 0 }, new FakeClock()),
  );
  await file.append(new Uint8Array(bytes));
  return file;
}

/** A disk that fails when it is read. */
const BROKEN = {
  size: 100,
  read: () => Promise.reject(new FpmError("SPOOL_FAILED", "daemon", "EIO")),
} as unknown as SpoolFile;

describe("a body in a file", () => {
  test("is handed on whole, as often as it is asked for", async () => {
    const { notes, client, listener } = world();
    const file = await fileOf(300_000);
    const spooled = new SpooledClient(client, { contentBytes: 0, records: new ByteQueue(), file });
    expect(spooled.isBodyComplete).toBe(false);
    spooled.listen(listener);
    await waitUntil("the end", () => notes.includes("end"));
    expect([notes, spooled.isBodyComplete]).toEqual([
      ["body 131072", "body 131072", "body 37856", "end"],
      true,
    ]);
    spooled.listen(undefined);
    spooled.listen(listener);
    await waitUntil("the second end", () => notes.length === 8);
    spooled.close();
  });

  test("waits while the program is slow, and stops when nobody listens", async () => {
    const { notes, client, listener } = world();
    const spooled = new SpooledClient(client, {
      contentBytes: 0,
      records: new ByteQueue(),
      file: await fileOf(300_000),
    });
    spooled.pauseBody();
    spooled.listen({
      ...listener,
      onBody(...body) {
        listener.onBody(...body);
        spooled.pauseBody();
      },
    });
    await waitUntil("the first piece", () => notes.length === 1);
    await Bun.sleep(20);
    expect(notes.length).toBe(1);
    spooled.resumeBody();
    await waitUntil("the second piece", () => notes.length === 2);
    spooled.listen(undefined);
    await Bun.sleep(20);
    expect(notes.length).toBe(2);
    spooled.close();
  });

  /** Somebody who reads on after the answer; notes what comes. */
  function readerOn() {
    const notes: string[] = [];
    const reader = {
      isCongested: false,
      isClosed: false,
      onDrain: () => {},
      write: (_chunk: Uint8Array, start: number, end: number) => void notes.push(`body ${end - start}`),
      leave: () => void notes.push("left"),
    };
    return { notes, reader, link: { outlive: () => reader } as unknown as Link };
  }

  test("goes on to who reads on when the request is over, as fast as he takes it, and is given up then", async () => {
    const { client, listener } = world();
    const file = await fileOf(300_000);
    const spooled = new SpooledClient(client, { contentBytes: 300_000, records: new ByteQueue(), file });
    spooled.listen(listener);
    spooled.pauseBody();
    spooled.listen(undefined);
    const { notes, reader, link } = readerOn();
    reader.isCongested = true;
    spooled.readOn(link);
    spooled.close();
    await Bun.sleep(20);
    expect(notes).toEqual([]);
    reader.isCongested = false;
    reader.onDrain();
    await waitUntil("all has come", () => notes.includes("left"));
    expect(notes).toEqual([...Array.from({ length: 4 }, () => "body 65536"), "body 37856", "left"]);
    expect(file.read(0, 1)).rejects.toThrow();
  });

  test("is given up when he who read on has gone, when it cannot be read, and where nobody reads on", async () => {
    const { client } = world();
    const { notes, reader, link } = readerOn();
    const spooledOf = (file: SpoolFile) =>
      new SpooledClient(client, { contentBytes: 9, records: new ByteQueue(), file });
    const file = await fileOf(300_000);
    const gone = spooledOf(file);
    reader.isCongested = true;
    gone.readOn(link);
    gone.close();
    reader.isClosed = true;
    reader.onDrain();
    await waitUntil("it is left", () => notes.length === 1);
    expect(file.read(0, 1)).rejects.toThrow();
    const other = readerOn();
    let closes = 0;
    spooledOf({ ...BROKEN, close: () => void closes++ } as unknown as SpoolFile).readOn(other.link);
    await waitUntil("it is left", () => other.notes.length === 1);
    const nobodys = spooledOf({ ...BROKEN, close: () => void closes++ } as unknown as SpoolFile);
    nobodys.readOn({ outlive: () => undefined } as unknown as Link);
    nobodys.close();
    expect([notes, other.notes, closes]).toEqual([["left"], ["left"], 2]);
  });

  test("has nobody read on who would find nothing", () => {
    const { client } = world();
    const link = { outlive: () => expect.unreachable() } as unknown as Link;
    for (const file of [undefined, { ...BROKEN, size: 0 } as unknown as SpoolFile])
      new SpooledClient(client, { contentBytes: 9, records: new ByteQueue(), file }).readOn(link);
  });

  test("that cannot be read any more is not taken for whole", async () => {
    const { notes, client, listener } = world();
    const spooled = new SpooledClient(client, { contentBytes: 0, records: new ByteQueue(), file: BROKEN });
    spooled.listen(listener);
    await waitUntil("it is noticed", () => notes.length > 0);
    expect(notes).toEqual(["failed: SPOOL_FAILED"]);
  });
});

test("a body in memory is there at once, and its room is given back when it is given up", () => {
  const { notes, client, listener } = world();
  const budget = new ByteBudget(1000);
  const records = new ByteQueue(budget);
  records.push(new Uint8Array(100), 0, 100);
  const spooled = new SpooledClient(client, { contentBytes: 92, records, file: undefined });
  spooled.listen(listener);
  expect([spooled.body.bytes, spooled.bodyBytes, spooled.isBodyComplete, notes]).toEqual([100, 92, true, []]);
  spooled.close();
  expect(budget.heldBytes).toBe(0);
});

describe("a client whose body was taken whole", () => {
  const spooledWorld = () => {
    const all = world();
    const body = { contentBytes: 0, records: new ByteQueue(), file: undefined };
    return { ...all, spooled: new SpooledClient(all.client, body) };
  };

  test("is what it was in all other things", () => {
    const { spooled, asked } = spooledWorld();
    const error = new FpmError("QUEUE_FULL", "daemon", "x");
    const part = new Uint8Array(3);
    expect([spooled.isGone, spooled.isAnswered]).toEqual([true, true]);
    expect([spooled.respond(part, 1, 2), spooled.forwardStderr(part, 0, 3)]).toEqual([true, true]);
    spooled.whenLeft(undefined);
    spooled.limitBody(7);
    spooled.complete();
    spooled.refuse(error);
    spooled.truncate();
    expect(asked).toEqual([
      ["respond", part, 1, 2],
      ["stderr", part, 0, 3],
      ["whenLeft", undefined],
      ["limitBody", 7],
      ["complete"],
      ["refuse", error],
      ["truncate"],
    ]);
  });

  test("is heard of by who listens, and no more when nobody does", () => {
    const { spooled, heard, listener, notes } = spooledWorld();
    spooled.listen(listener);
    heard()?.onClientDrain();
    heard()?.onBodyFailed(new FpmError("BODY_TOO_LARGE", "client", "x"));
    heard()?.onClientLeft();
    expect(notes.splice(0)).toEqual(["drain", "failed: BODY_TOO_LARGE", "left"]);
    const before = heard();
    spooled.listen(undefined);
    before?.onClientLeft();
    expect([heard(), notes]).toEqual([undefined, []]);
  });

  test("keeps its body, which is sent as often as need be", () => {
    const { spooled, heard, listener } = spooledWorld();
    spooled.listen(listener);
    // The client itself need keep nothing of it, whether the program has seen it or not.
    expect([spooled.isHeld, heard()?.mayBeUnseen]).toEqual([true, false]);
  });
});
