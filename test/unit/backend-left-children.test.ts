import { describe, expect, test } from "bun:test";
import { fstatSync } from "node:fs";
import type { Lease } from "../../src/backend/backend.ts";
import { LeftChildren } from "../../src/backend/left-children.ts";
import {
  holderAmong,
  holdsSocket,
  ownTreeMemoryOf,
  treeMemoryOf,
  treeUsageOf,
} from "../../src/backend/process-tree.ts";
import {
  cpuTimeOf,
  cpuUsageOf,
  isEnding,
  NOTHING_USED,
  residentOf,
  startTicksOf,
  stateOf,
  withUsage,
} from "../../src/backend/usage.ts";
import { hindranceOf } from "../../src/backend/work-signs.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { socketPair } from "../support/socket-pair.ts";
import { waitUntil } from "../support/wait-until.ts";

const OWN = process.pid;
const NOBODY = 2 ** 30;
/** A process that sleeps until the test is over. */
function sleeper() {
  const child = Bun.spawn(["sleep", "100"], { stdio: ["ignore", "ignore", "ignore"] });
  return { pid: child.pid, child, [Symbol.dispose]: () => child.kill("SIGKILL") };
}

describe("children that work on for clients that have left", () => {
  test("have their places until they let go of the connection, and are due once if that takes too long", () => {
    const clock = new FakeClock();
    let [back, due] = [0, 0];
    const left = new LeftChildren(clock, () => void back++);
    using pair = socketPair();
    // This process stands for the child.
    left.add(OWN, fstatSync(pair.peerFd).ino, 1000, () => void due++);
    clock.advance(999);
    expect([left.size, back, due]).toEqual([1, 0, 0]);
    clock.advance(101);
    expect([left.size, back, due]).toEqual([1, 0, 1]);
    clock.advance(10_000);
    expect(due).toBe(1);
    pair.hangUp();
    clock.advance(100);
    expect([left.size, back, due, clock.timers]).toEqual([0, 1, 1, 0]);
  });

  test("are looked at soon, and less and less often", () => {
    const clock = new FakeClock();
    const backAt: number[] = [];
    const left = new LeftChildren(clock, () => void backAt.push(clock.now()));
    left.add(NOBODY, 1, 1000, () => {});
    clock.advance(1);
    expect(backAt).toEqual([]);
    clock.advance(1);
    expect(backAt).toEqual([2]);
  });

  test("are nobody's any more when their process has ended", () => {
    const clock = new FakeClock();
    let back = 0;
    const left = new LeftChildren(clock, () => void back++);
    left.add(NOBODY, 1, 1000, () => {});
    left.close();
    clock.advance(1000);
    expect([left.size, back, clock.timers]).toEqual([0, 0, 0]);
  });
});

describe("a process and its children", () => {
  test("are told apart by the sockets that they have", () => {
    using pair = socketPair();
    using other = sleeper();
    const { ino } = fstatSync(pair.fd);
    expect([holdsSocket(OWN, ino), holdsSocket(other.pid, ino)]).toEqual([true, false]);
    expect(holdsSocket(NOBODY, ino)).toBeUndefined();
    expect(holderAmong([NOBODY, other.pid, OWN], ino)).toBe(OWN);
    expect([holderAmong([other.pid], ino), holderAmong([OWN], 0)]).toEqual([undefined, undefined]);
  });

  test("hold memory together, where what they share counts once, or not at all", async () => {
    using other = sleeper();
    await waitUntil("it is loaded, and sleeps", () => {
      return stateOf(other.pid) === "S" && (residentOf(other.pid) ?? 0) > 500_000;
    });
    const both = treeMemoryOf(OWN, [other.pid, NOBODY]) ?? 0;
    expect(both).toBeGreaterThan(10e6);
    expect(treeMemoryOf(other.pid, [])).toBe(residentOf(other.pid));
    expect(treeMemoryOf(other.pid, [other.pid]) ?? 0).toBeGreaterThan(residentOf(other.pid) ?? 0);
    expect(treeMemoryOf(NOBODY, [OWN])).toBeUndefined();
    const alone = ownTreeMemoryOf(other.pid, []) ?? Number.NaN;
    expect(ownTreeMemoryOf(other.pid, [other.pid])).toBe(2 * alone);
    expect(alone).toBeLessThan(residentOf(other.pid) ?? 0);
    expect(ownTreeMemoryOf(NOBODY, [OWN])).toBeUndefined();
  });

  test("have used what they have used, and one that has gone nothing more", () => {
    const own = { runMs: 5, cpuWaitMs: 7 };
    expect(withUsage(own, { runMs: 1, cpuWaitMs: 2 })).toEqual({ runMs: 6, cpuWaitMs: 9 });
    expect(treeUsageOf(own, [NOBODY])).toEqual(own);
    expect(treeUsageOf(own, [OWN]).runMs).toBeGreaterThan(5);
    expect([cpuUsageOf(NOBODY), cpuTimeOf(NOBODY), NOTHING_USED]).toEqual([
      undefined,
      undefined,
      { runMs: 0, cpuWaitMs: 0 },
    ]);
    const { runMs = 0 } = cpuUsageOf(OWN) ?? {};
    expect(runMs).toBeLessThan((cpuTimeOf(OWN) ?? 0) + 1000);
    expect(runMs).toBeGreaterThan(1);
  });
});

describe("a process that reads nothing of its request", () => {
  /** Handed over long ago. */
  const lease = () => ({ since: 0, unreadRunMs: undefined }) as unknown as Lease;

  test("and sleeps is at something else; one that was stopped is stopped", async () => {
    using other = sleeper();
    await waitUntil("it sleeps", () => stateOf(other.pid) === "S");
    expect(hindranceOf(other.pid, lease(), 1000)).toBe("at work");
    other.child.kill("SIGSTOP");
    await waitUntil("it is stopped", () => stateOf(other.pid) === "T");
    expect(hindranceOf(other.pid, lease(), 1000)).toBe("stopped");
  });

  test("and runs is at work when it has used the CPU since, and may merely wait for its turn before", () => {
    const own = lease();
    expect(hindranceOf(OWN, own, 1000)).toBeUndefined();
    const since = own.unreadRunMs ?? Number.NaN;
    expect(since).toBeGreaterThan(0);
    own.unreadRunMs = since - 100;
    expect(hindranceOf(OWN, own, 1000)).toBe("at work");
  });

  test("and has gone is neither", () => {
    expect(hindranceOf(NOBODY, lease(), 1000)).toBeUndefined();
  });

  test("is ending once it has ended, though nobody has asked how", async () => {
    const { pid, child } = sleeper();
    expect([isEnding(pid), isEnding(NOBODY), startTicksOf(pid) === undefined]).toEqual([false, true, false]);
    child.kill("SIGKILL");
    await waitUntil("it ends", () => isEnding(pid));
    await child.exited;
    expect(startTicksOf(NOBODY)).toBeUndefined();
  });
});
