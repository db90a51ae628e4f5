import { describe, expect, test } from "bun:test";
import { type BackendState, nextState } from "../../src/backend/states.ts";
import { nextDaemonState } from "../../src/daemon/states.ts";
import { nextConnectionState } from "../../src/front/states.ts";

describe("a backend", () => {
  test("goes from starting over idle and busy back to idle, and ends", () => {
    const events = [
      "accepted",
      "lent",
      "returned",
      "lent",
      "abandoned",
      "returned",
      "stop",
      "exited",
    ] as const;
    const states: BackendState[] = ["starting"];
    for (const event of events) states.push(nextState(states.at(-1) as BackendState, event));
    expect(states).toEqual([
      "starting",
      "idle",
      "busy",
      "idle",
      "busy",
      "aborting",
      "idle",
      "stopping",
      "gone",
    ]);
  });

  test("may exit in every state that lives", () => {
    for (const state of ["starting", "idle", "busy", "aborting", "stopping"] as const)
      expect(nextState(state, "exited")).toBe("gone");
  });

  test("is never lent while it runs an old request, boots, stops or is gone", () => {
    for (const state of ["starting", "busy", "aborting", "stopping", "gone"] as const) {
      expect(() => nextState(state, "lent")).toThrow(`A backend that is ${state} cannot be lent.`);
    }
  });

  test("keeps stopping whatever its request does meanwhile", () => {
    for (const event of ["accepted", "returned", "abandoned", "stop"] as const)
      expect(nextState("stopping", event)).toBe("stopping");
  });
});

describe("a connection from a web server", () => {
  test("finishes, lingers and closes", () => {
    expect(nextConnectionState("open", "finish")).toBe("finishing");
    expect(nextConnectionState("finishing", "flushed")).toBe("lingering");
    expect(nextConnectionState("lingering", "lost")).toBe("closed");
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

  test("cannot end before it has stopped", () => {
    expect(() => nextDaemonState("running", "ended")).toThrow("A daemon that is running cannot be ended.");
  });
});
