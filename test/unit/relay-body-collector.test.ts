import { describe, expect, test } from "bun:test";
import { ByteBudget } from "../../src/base/byte-budget.ts";
import { ByteQueue } from "../../src/base/byte-queue.ts";
import type { FpmError } from "../../src/base/errors.ts";
import { type CollectedBody, collectBody } from "../../src/relay/body-collector.ts";
import type { ClientListener, ClientStream } from "../../src/relay/client-stream.ts";
import { type FreeBytes, SpoolSpace } from "../../src/relay/spool-space.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { waitUntil } from "../support/wait-until.ts";

const MIB = 1024 * 1024;
const TIMEOUT_MS = 5000;

/** A client of which a first piece of the body has come, and who takes the rest; `freeBytes` is how the disk answers. */
function collect(firstBytes: number, freeBytes: FreeBytes = () => Promise.resolve(100 * MIB)) {
  const clock = new FakeClock();
  const body = new ByteQueue();
  body.push(new Uint8Array(firstBytes), 0, firstBytes);
  let listener: ClientListener | undefined;
  const client = {
    isGone: false,
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
  const collected = collectBody(client as unknown as ClientStream, {
    space: new SpoolSpace({ spoolDir: "/var/tmp", spoolLimitBytes: 0 }, clock, freeBytes),
    buffers: new ByteBudget(1e9),
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
  return { clock, client, listener: () => listener as ClientListener, outcome: () => outcome, collected };
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
    const world = collect(2 * MIB, () => new Promise(() => {}));
    await waitUntil("it is written", () => world.client.isPaused);
    if (how === "complete") world.listener().onBodyEnd();
    world.clock.advance(TIMEOUT_MS);
    await world.collected.catch(() => {});
    expect(failureOf(world.outcome())).toBe(
      "SPOOL_FAILED A request's body cannot be kept in /var/tmp: its disk has taken nothing for 5 s",
    );
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
  });
});
