import { describe, expect, test } from "bun:test";
import { type BackendState, nextState } from "../../src/backend/states.ts";
import { nextDaemonState } from "../../src/daemon/states.ts";
import { nextConnectionState } from "../../src/front/states.ts";

describe("a backend", () => {
  test("starts, serves, retires and ends", () => {
    const events = ["accepted", "retire", "retire", "stop", "exited"] as const;
    const states: BackendState[] = ["starting"];
    for (const event of events) states.push(nextState(states.at(-1) as BackendState, event));
    expect(states).toEqual(["starting", "ready", "retiring", "retiring", "stopping", "gone"]);
  });

  test("may exit in every state that lives", () => {
    for (const state of ["starting", "ready", "retiring", "ending", "stopping"] as const)
      expect(nextState(state, "exited")).toBe("gone");
  });

  test("is ready only once, and does not come back from where it stops", () => {
    for (const state of ["ready", "retiring", "gone"] as const)
      expect(() => nextState(state, "accepted")).toThrow(`A backend that is ${state} cannot be accepted.`);
    for (const event of ["accepted", "retire", "stop"] as const)
      expect(nextState("stopping", event)).toBe("stopping");
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
