import { describe, expect, test } from "bun:test";
import { FpmError } from "../../src/base/errors.ts";
import { noDescriptors } from "../../src/base/shortage.ts";
import { startedRelay, stdout, toldOf, wholeAnswer } from "../support/relay-world.ts";

type Started = ReturnType<typeof startedRelay>;

/** How it has ended, and the words for it. */
const broken = ({ end }: Started) => toldOf(end());
const lost = (what: string) => ["unanswered", "lost", "left", "BACKEND_BROKEN", `/x.fcgi (pid 1) ${what}.`];

describe("a connection to a program that ends", () => {
  test("before it answers has lost the request", () => {
    const closed = startedRelay();
    closed.link.user?.onLinkClosed(undefined);
    expect(broken(closed)).toEqual(lost("closed the connection before it answered"));
    const reset = startedRelay();
    reset.link.user?.onLinkClosed("ECONNRESET");
    expect(broken(reset)).toEqual(lost("broke the connection (ECONNRESET) before it answered"));
  });

  test("in the midst of an answer breaks that off", () => {
    const world = startedRelay({ requestId: 2 });
    world.answer(stdout("A: b\n\n", 2));
    world.link.user?.onLinkClosed(undefined);
    expect(broken(world).slice(0, 3)).toEqual(["truncated", undefined, "left"]);
    expect(broken(world).at(-1)).toBe("/x.fcgi (pid 1) closed the connection in mid-answer.");
  });

  test("in the header of an answer, of which nothing was handed on, leaves the web server without any", () => {
    const world = startedRelay({ requestId: 2 });
    world.answer(stdout("A: b\n", 2));
    world.link.user?.onLinkClosed(undefined);
    expect(broken(world).slice(0, 3)).toEqual(["unanswered", "bad", "left"]);
  });

  test("and was kept from an earlier request was of no use, which says nothing of the process, as long as that lives", () => {
    const stale = startedRelay({ requestId: 2 });
    stale.link.user?.onLinkClosed(undefined);
    expect(broken(stale).slice(0, 3)).toEqual(["unanswered", "stale", "stale"]);
    const dead = startedRelay({ requestId: 2 });
    Object.assign(dead.backend, { isDead: true, death: "exited with status 1" });
    dead.link.user?.onLinkClosed(undefined);
    expect(broken(dead)).toEqual(lost("exited with status 1 before it answered"));
  });

  test("with its process is told as the end of the process, which comes in a moment", () => {
    const world = startedRelay();
    world.backend.isDead = true;
    world.link.user?.onLinkClosed(undefined);
    expect(world.end()).toBeUndefined();
    world.backend.death = "ended by SIGSEGV";
    world.lease.user?.onBackendGone();
    expect(broken(world)).toEqual(lost("ended by SIGSEGV before it answered"));
    expect(world.clock.timers).toBe(0);
  });

  test("with its process is told as it looks where nothing is heard of the process for a second", () => {
    const world = startedRelay();
    world.backend.isDead = true;
    world.link.user?.onLinkClosed(undefined);
    world.clock.advance(999);
    expect(world.end()).toBeUndefined();
    world.clock.advance(1);
    expect(broken(world)).toEqual(lost("closed the connection before it answered"));
  });
});

describe("a process that ends", () => {
  test("may have sent an answer before, which still comes", () => {
    const world = startedRelay();
    world.lease.user?.onBackendGone();
    expect(world.end()).toBeUndefined();
    world.answer(wholeAnswer());
    expect(world.end()?.kind).toBe("answered");
  });

  test("before it has accepted the connection has not seen the request", () => {
    const world = startedRelay();
    world.lease.user?.onBackendGone();
    world.lease.user?.onUnseen();
    expect(broken(world)).toEqual([
      "unanswered",
      "unseen",
      "left",
      "BACKEND_BROKEN",
      "/x.fcgi (pid 1) ended before it accepted the connection.",
    ]);
  });
});

describe("a request", () => {
  test("that was taken back was seen by nobody", () => {
    const world = startedRelay();
    world.lease.user?.onTakenBack();
    expect(broken(world).slice(0, 3)).toEqual(["unanswered", "taken back", "left"]);
    expect(broken(world).at(-1)).toContain("works on after its last answer: the request was taken back");
  });

  test("to a process that somebody has stopped goes to another one", () => {
    const world = startedRelay({ requestId: 2 });
    world.lease.user?.onNotRead("was stopped, by SIGSTOP or a debugger, before it read the request");
    expect(broken(world)).toEqual([
      "unanswered",
      "stale",
      "left",
      "BACKEND_BROKEN",
      "/x.fcgi (pid 1) was stopped, by SIGSTOP or a debugger, before it read the request.",
    ]);
  });

  test.each([
    ["of the client's own making", new FpmError("BODY_TOO_LARGE", "client", "x"), "refused", undefined],
    ["for want of descriptors", noDescriptors("x"), "unanswered", "unseen"],
    ["that no process can begin with", new FpmError("BOOT_FAILED", "backend", "x"), "unanswered", "bad"],
  ])("fails %s as what that is, and leaves its place free", (_what, error, kind, failure) => {
    const world = startedRelay();
    world.link.user?.onLinkFailed(error);
    expect(broken(world).slice(0, 4)).toEqual([kind, failure, "over", error.code]);
  });
});

describe("request_timeout", () => {
  const app = { requestTimeoutMs: 3000 };

  test.each([
    ["the process", undefined, "pid 1"],
    ["the child of it that has the request", 99, "pid 99, child of 1"],
  ])("is counted from when the process was lent, and kills %s", (_what, worker, named) => {
    const world = startedRelay({ app, worker });
    world.clock.advance(2999);
    expect([world.end(), world.lease.verdict]).toEqual([undefined, undefined]);
    world.clock.advance(1);
    expect(broken(world)).toEqual([
      "unanswered",
      "bad",
      "left",
      "REQUEST_TIMEOUT",
      `/x.fcgi (${named}) did not finish within request_timeout (3 s) and was killed.`,
    ]);
    expect(world.lease.verdict).toEqual({ reason: "request timeout", worker });
  });

  test("says that a process which works on others as well is killed after those", () => {
    const world = startedRelay({ app });
    world.backend.busy = 3;
    world.clock.advance(3000);
    expect(broken(world).at(-1)).toBe(
      "/x.fcgi (pid 1) did not finish within request_timeout (3 s) and is killed when its other requests (2) are over.",
    );
  });

  test("breaks an answer off that has begun", () => {
    const world = startedRelay({ app });
    world.answer(stdout("A: b\n\n"));
    world.clock.advance(3000);
    expect(broken(world).slice(0, 4)).toEqual(["truncated", undefined, "left", "REQUEST_TIMEOUT"]);
  });

  test("is over with the request", () => {
    const world = startedRelay({ app });
    world.answer(wholeAnswer());
    world.clock.advance(3000);
    expect([world.end()?.kind, world.lease.verdict]).toEqual(["answered", undefined]);
  });

  test("is none with 0", () => {
    const world = startedRelay({ app: { requestTimeoutMs: 0 } });
    world.clock.advance(1e9);
    expect([world.end(), world.clock.timers]).toEqual([undefined, 0]);
  });
});
