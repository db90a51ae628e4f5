import { describe, expect, test } from "bun:test";
import { type BackendState, nextState } from "../../src/backend/states.ts";
import { nextDaemonState } from "../../src/daemon/states.ts";
import { nextConnectionState } from "../../src/front/states.ts";

describe("a backend", () => {
  test("starts, is lent and freed, is left alone and comes back, leaves and ends", () => {
    const events = [
      "accepted",
      "lent",
      "freed",
      "lent",
      "left alone",
      "accepted",
      "leave",
      "exited",
    ] as const;
    const states: BackendState[] = ["starting"];
    for (const event of events) states.push(nextState(states.at(-1) as BackendState, event));
    expect(states.slice(1)).toEqual([
      "free",
      "lent",
      "free",
      "lent",
      "on its own",
      "free",
      "leaving",
      "gone",
    ]);
  });

  test("may leave and may exit in every state that lives", () => {
    for (const state of ["starting", "free", "lent", "on its own", "leaving"] as const)
      expect([nextState(state, "leave"), nextState(state, "exited")]).toEqual(["leaving", "gone"]);
  });

  test("does not come back from where it leaves, and accepts only when it was away", () => {
    for (const state of ["free", "lent", "leaving", "gone"] as const)
      expect(() => nextState(state, "accepted")).toThrow(`A backend that is ${state} cannot be accepted.`);
    for (const event of ["lent", "freed", "left alone"] as const)
      expect(() => nextState("leaving", event)).toThrow(`A backend that is leaving cannot be ${event}.`);
  });
});

describe("a connection from a web server", () => {
  test("finishes, lingers and closes", () => {
    expect(nextConnectionState("open", "finish")).toBe("finishing");
    expect(nextConnectionState("finishing", "flushed")).toBe("lingering");
    expect(nextConnectionState("lingering", "lost")).toBe("closed");
  });

  test("that breaks an answer off sends nothing more until it is closed", () => {
    expect(nextConnectionState("open", "break")).toBe("breaking");
    for (const event of ["finish", "break", "flushed"] as const)
      expect(nextConnectionState("breaking", event)).toBe("breaking");
    expect(nextConnectionState("breaking", "lost")).toBe("closed");
  });

  test("stays open when it is merely flushed, and closed whatever comes", () => {
    expect(nextConnectionState("open", "flushed")).toBe("open");
    for (const event of ["finish", "flushed", "lost"] as const)
      expect(nextConnectionState("closed", event)).toBe("closed");
  });
});

describe("the daemon", () => {
  test("drains on the first stop and ends at once on the second", () => {
    expect(nextDaemonState("running", "stop")).toBe("draining");
    expect(nextDaemonState("draining", "stop")).toBe("stopping");
    expect(nextDaemonState("draining", "drained")).toBe("stopping");
    expect(nextDaemonState("stopping", "ended")).toBe("stopped");
  });

  test("finishes its requests when it has handed over, and two stops end it at once then", () => {
    expect(nextDaemonState("running", "handed over")).toBe("retiring");
    expect(nextDaemonState("retiring", "drained")).toBe("stopping");
    expect(nextDaemonState("retiring", "stop")).toBe("draining");
    expect(nextDaemonState("draining", "stop")).toBe("stopping");
  });

  test("cannot end before it has stopped", () => {
    expect(() => nextDaemonState("running", "ended")).toThrow("A daemon that is running cannot be ended.");
  });
});
