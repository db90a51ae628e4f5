import { describe, expect, test } from "bun:test";
import { ByteBudget } from "../../src/base/byte-budget.ts";
import { ByteQueue } from "../../src/base/byte-queue.ts";
import { FpmError } from "../../src/base/errors.ts";
import { type CollectedBody, collectBody } from "../../src/relay/body-collector.ts";
import type { ClientListener, ClientStream } from "../../src/relay/client-stream.ts";
import { type FreeBytes, SpoolSpace } from "../../src/relay/spool-space.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { waitUntil } from "../support/wait-until.ts";

const MIB = 1024 * 1024;
const TIMEOUT_MS = 5000;

/** It counts the files that were closed, and how often the disk was asked. */
class CountedSpace extends SpoolSpace {
  looks = 0;
  closed = 0;

  constructor(clock: FakeClock, freeBytes: FreeBytes) {
    super({ spoolDir: "/var/tmp", spoolLimitBytes: 0 }, clock, (folder) => {
      this.looks++;
      return freeBytes(folder);
    });
  }

  override give(bytes: number): void {
    this.closed++;
    super.give(bytes);
  }
}

const emptyDisk = () => Promise.resolve(100 * MIB);

/** A client of which a first piece of the body has come, and who takes the rest; `freeBytes` is how the disk answers. */
function collect(firstBytes: number, freeBytes: FreeBytes = emptyDisk, isGone = false) {
  const clock = new FakeClock();
  const body = new ByteQueue();
  body.push(new Uint8Array(firstBytes), 0, firstBytes);
  let listener: ClientListener | undefined;
  const client = {
    isGone,
    isBodyComplete: false,
    body,
    bodyBytes: firstBytes,
    isPaused: false,
    listen(next: ClientListener | undefined) {
      listener = next;
    },
    pauseBody() {
      this.isPaused = true;
    },
    resumeBody() {
      this.isPaused = false;
    },
  };
  const space = new CountedSpace(clock, freeBytes);
  const buffers = new ByteBudget(1e9);
  const collected = collectBody(client as unknown as ClientStream, {
    space,
    buffers,
    timeoutMs: TIMEOUT_MS,
    clock,
  });
  let outcome: CollectedBody | FpmError | "the client left" | undefined;
  collected.then(
    (found) => {
      outcome = found ?? "the client left";
    },
    (error) => {
      outcome = error;
    },
  );
  return {
    ...{ clock, client, space, buffers, collected },
    listener: () => listener as ClientListener,
    outcome: () => outcome,
  };
}

/** The disk goes on, and what was to be written there is given up. */
async function recovered(disk: PromiseWithResolvers<number>, { space }: ReturnType<typeof collect>) {
  disk.resolve(100 * MIB);
  await waitUntil("the file is closed", () => space.closed);
}

const failureOf = (outcome: unknown) => {
  const { code, message } = outcome as FpmError;
  return `${code} ${message}`;
};

describe("a body that is taken whole", () => {
  test("is there when it has come to its end, and no time runs on", async () => {
    const world = collect(1000);
    world.listener().onBody(new Uint8Array(500), 0, 500);
    world.listener().onBodyEnd();
    expect((await world.collected)?.records.bytes).toBe(1500);
    expect(world.clock.timers).toBe(0);
  });

  test("fails when the client sends no byte for body_timeout; each piece begins it anew", async () => {
    const world = collect(1000);
    world.clock.advance(TIMEOUT_MS - 1);
    world.listener().onBody(new Uint8Array(1), 0, 1);
    world.clock.advance(TIMEOUT_MS - 1);
    await Promise.resolve();
    expect(world.outcome()).toBeUndefined();
    world.clock.advance(1);
    await world.collected.catch(() => {});
    expect(failureOf(world.outcome())).toBe("BODY_TIMEOUT No byte of the body came for 5 s.");
  });

  test.each(["complete", "paused"])("and is %s is not late: it is the disk that stands", async (how) => {
    const disk = Promise.withResolvers<number>();
    const world = collect(2 * MIB, () => disk.promise);
    await waitUntil("it is written", () => world.client.isPaused);
    if (how === "complete") world.listener().onBodyEnd();
    world.clock.advance(TIMEOUT_MS);
    await world.collected.catch(() => {});
    expect(failureOf(world.outcome())).toBe(
      "SPOOL_FAILED A request's body cannot be kept in /var/tmp: its disk has taken nothing for 5 s",
    );
    await recovered(disk, world);
  });

  test("may be slow to reach the disk as long as it gets there", async () => {
    let measured = Promise.withResolvers<number>();
    const world = collect(2 * MIB, () => measured.promise);
    for (let piece = 0; piece < 3; piece++) {
      world.clock.advance(TIMEOUT_MS - 1);
      measured.resolve(100 * MIB);
      await waitUntil("the disk has it", () => !world.client.isPaused);
      measured = Promise.withResolvers();
      world.clock.advance(TIMEOUT_MS - 1);
      // The second one waits until the first is written.
      for (const _ of [1, 2]) world.listener().onBody(new Uint8Array(2 * MIB), 0, 2 * MIB);
    }
    expect(world.outcome()).toBeUndefined();
    measured.resolve(100 * MIB);
    world.listener().onBodyEnd();
    const body = await world.collected;
    expect([body?.records.bytes, body?.file?.size]).toEqual([0, 14 * MIB]);
    body?.file?.close();
  });

  test("ends without a word when the client leaves", async () => {
    const world = collect(1000);
    world.listener().onClientLeft();
    await world.collected;
    expect([world.outcome(), world.clock.timers]).toEqual(["the client left", 0]);
    expect(world.buffers.heldBytes).toBe(0);
  });

  test("is not begun with when the client has left", async () => {
    const world = collect(1000, emptyDisk, true);
    await world.collected;
    expect([world.outcome(), world.listener(), world.clock.timers]).toEqual([
      "the client left",
      undefined,
      0,
    ]);
  });

  test("stays in memory up to 64 KiB, and goes into a file with one byte more", async () => {
    for (const [more, isInFile] of [
      [0, false],
      [1, true],
    ] as const) {
      const world = collect(64 * 1024 + more);
      world.listener().onBodyEnd();
      const body = await world.collected;
      expect([body?.file !== undefined, body?.records.bytes]).toEqual([isInFile, isInFile ? 0 : 64 * 1024]);
      body?.file?.close();
    }
  });

  test("stops its client only when more than 256 KiB wait for the disk", async () => {
    const disk = Promise.withResolvers<number>();
    const world = collect(256 * 1024, () => disk.promise);
    expect(world.client.isPaused).toBe(false);
    world.listener().onBody(new Uint8Array(1), 0, 1);
    expect(world.client.isPaused).toBe(true);
    world.listener().onClientLeft();
    await recovered(disk, world);
  });

  test("is the client's own again when it is over: nobody listens, and it is read on", async () => {
    const world = collect(1000);
    world.client.isPaused = true;
    world.listener().onBodyEnd();
    await world.collected;
    expect(world.listener()).toBeUndefined();
    expect(world.client.isPaused).toBe(false);
  });

  test("fails with what its client is told, or the disk says", async () => {
    const tooLarge = collect(1000);
    tooLarge.listener().onBodyFailed(new FpmError("BODY_TOO_LARGE", "client", "too large"));
    const broken = collect(MIB, () => Promise.reject(new Error("EIO")));
    for (const world of [tooLarge, broken]) await world.collected.catch(() => {});
    expect(failureOf(tooLarge.outcome())).toBe("BODY_TOO_LARGE too large");
    expect(failureOf(broken.outcome())).toStartWith("SPOOL_FAILED ");
    expect(failureOf(broken.outcome())).toEndWith("EIO");
  });

  test("leaves nothing on the disk when the client leaves, be it in the midst of a write", async () => {
    const written = collect(MIB);
    await waitUntil("it is written", () => written.space.usedBytes > 0 && !written.client.isPaused);
    written.listener().onClientLeft();
    expect(written.space.usedBytes).toBe(0);
    const disk = Promise.withResolvers<number>();
    const writing = collect(MIB, () => disk.promise);
    await waitUntil("the disk is asked", () => writing.space.looks);
    writing.listener().onClientLeft();
    await recovered(disk, writing);
    expect([writing.outcome(), writing.space.usedBytes]).toEqual(["the client left", 0]);
  });
});
