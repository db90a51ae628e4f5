import { describe, expect, test } from "bun:test";
import { FpmError } from "../../src/base/errors.ts";
import { startedRelay, stdout, toldOf } from "../support/relay-world.ts";

const KIB = 1024;
const app = { bodyTimeoutMs: 5000 };
const uploading = () => startedRelay({ app, hasBody: true });
type Uploading = ReturnType<typeof uploading>;

/** What is done with the body, without the rest. */
const flow = ({ notes }: Uploading) => notes.splice(0).filter((note) => note.endsWith("body"));

describe("a body on its way", () => {
  test("reaches the program as it comes", () => {
    const world = uploading();
    world.client.listener?.onBody(Buffer.from("xbodyx"), 1, 5);
    expect(Buffer.from(world.link.written).toString()).toBe("body");
    expect(flow(world)).toEqual([]);
  });

  test("stands still while the program takes nothing", () => {
    const world = uploading();
    world.link.isCongested = true;
    world.send(10);
    expect(flow(world)).toEqual(["pause body"]);
    world.link.user?.onLinkDrain();
    expect(flow(world)).toEqual(["resume body"]);
  });

  test("that fails ends the request for its own sake", () => {
    const error = new FpmError("BODY_TOO_LARGE", "client", "too large");
    const world = uploading();
    world.client.listener?.onBodyFailed(error);
    expect(toldOf(world.end())).toEqual(["refused", undefined, "left", "BODY_TOO_LARGE", "too large"]);
    const answering = uploading();
    answering.answer(stdout("A: b\n\n"));
    answering.client.listener?.onBodyFailed(error);
    expect(toldOf(answering.end()).slice(0, 3)).toEqual(["truncated", undefined, "left"]);
  });
});

describe("a body for a program that has not accepted the connection", () => {
  function waiting() {
    const world = uploading();
    world.backend.hasAccepted = false;
    const come = (bytes: number) => {
      world.client.body.push(new Uint8Array(bytes), 0, bytes);
      world.send(bytes);
    };
    return { world, come };
  }

  test("is sent as far as 128 KiB, and the rest when it has accepted: another one may get the request", () => {
    const { world, come } = waiting();
    expect(world.client.listener?.mayBeUnseen).toBe(true);
    come(128 * KIB);
    expect(flow(world)).toEqual([]);
    come(1);
    expect(flow(world)).toEqual(["pause body"]);
    world.clock.advance(100);
    expect(flow(world)).toEqual([]);
    world.backend.hasAccepted = true;
    expect(world.client.listener?.mayBeUnseen).toBe(false);
    world.clock.advance(1);
    expect(flow(world)).toEqual([]);
    world.clock.advance(1);
    expect(flow(world)).toEqual(["resume body"]);
  });

  test("is held as long as the connection is being taken back, and whatever the runtime says of room", () => {
    const { world, come } = waiting();
    come(129 * KIB);
    expect(flow(world)).toEqual(["pause body"]);
    world.link.user?.onLinkDrain();
    expect(flow(world)).toEqual([]);
    // Whoever accepts it for us is not back yet.
    Object.assign(world.backend, { hasAccepted: true, isTaken: true });
    expect(world.client.listener?.mayBeUnseen).toBe(true);
    world.clock.advance(1000);
    expect(flow(world)).toEqual([]);
    world.backend.isTaken = false;
    world.clock.advance(100);
    expect([flow(world), world.client.listener?.mayBeUnseen]).toEqual([["resume body"], false]);
  });

  test("goes on only when what was sent is taken, too", () => {
    const { world, come } = waiting();
    come(129 * KIB);
    world.backend.hasAccepted = true;
    world.link.isCongested = true;
    world.clock.advance(100);
    expect(flow(world)).toEqual(["pause body"]);
  });

  test("is not waited with where it cannot be sent again anyway, or the program has accepted", () => {
    for (const change of [{ isHeld: false }, { hasAccepted: true }]) {
      const { world, come } = waiting();
      Object.assign(world.client, change);
      Object.assign(world.backend, change);
      come(129 * KIB);
      expect(flow(world)).toEqual([]);
    }
  });
});

describe("body_timeout", () => {
  const isRefused = (world: Uploading) => toldOf(world.end()).at(-1) === "No byte of the body came for 5 s.";

  test("runs from the start, and anew with each piece", () => {
    const world = uploading();
    world.clock.advance(4999);
    world.send(1);
    world.clock.advance(4999);
    expect(world.end()).toBeUndefined();
    world.clock.advance(1);
    expect(toldOf(world.end())).toEqual([
      "refused",
      undefined,
      "left",
      "BODY_TIMEOUT",
      "No byte of the body came for 5 s.",
    ]);
  });

  test("is over with the body, and there is none without one", () => {
    const world = uploading();
    world.client.isBodyComplete = true;
    world.client.listener?.onBodyEnd();
    const without = startedRelay({ app });
    without.link.user?.onLinkDrain();
    for (const { clock, end } of [world, without]) {
      clock.advance(100_000);
      expect(end()).toBeUndefined();
    }
  });

  test("does not count while the program takes nothing: the client may not send then", () => {
    const world = uploading();
    world.link.isWaiting = true;
    world.clock.advance(50_000);
    expect(world.end()).toBeUndefined();
    world.link.isWaiting = false;
    world.clock.advance(5000);
    expect(isRefused(world)).toBe(true);
  });

  test("begins anew when the program has taken what waited", () => {
    const world = uploading();
    world.clock.advance(4000);
    world.link.user?.onLinkDrain();
    world.clock.advance(4999);
    expect(world.end()).toBeUndefined();
    world.clock.advance(1);
    expect(isRefused(world)).toBe(true);
  });

  test("does not run on when the relay is over", () => {
    const world = uploading();
    world.client.listener?.onClientLeft();
    world.clock.advance(10_000);
    expect(world.end()?.kind).toBe("client-left");
  });
});
