import { describe, expect, test } from "bun:test";
import { closeSync, fstatSync, openSync, writeFileSync } from "node:fs";
import type { Lease } from "../../src/backend/backend.ts";
import { type Left, LeftWork } from "../../src/backend/left-work.ts";
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
import { hindranceAmongThreads, hindranceOf, waitForEachOther } from "../../src/backend/work-signs.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { socketPair } from "../support/socket-pair.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const OWN = process.pid;
const NOBODY = 2 ** 30;
/** A process that sleeps until the test is over; with these descriptors from 3 on. */
function sleeper(fds: readonly number[] = []) {
  const child = Bun.spawn(["sleep", "100"], { stdio: ["ignore", "ignore", "ignore", ...fds] });
  return { pid: child.pid, child, [Symbol.dispose]: () => child.kill("SIGKILL") };
}

describe("what goes on for clients that have left", () => {
  /** This process stands for a worker. */
  const left = (inode: number, changes: Partial<Left> = {}): Left => ({
    ...{ inode, since: 0, workers: () => [OWN], dueAt: Number.POSITIVE_INFINITY, onDue() {} },
    ...changes,
  });

  test("has its place until it lets go of the connection, and is due once if that takes too long", () => {
    const clock = new FakeClock();
    let back = 0;
    const due: number[] = [];
    const work = new LeftWork(clock, () => void back++);
    using pair = socketPair();
    work.add(left(fstatSync(pair.peerFd).ino, { dueAt: 1000, onDue: (worker) => due.push(worker) }));
    clock.advance(999);
    expect([work.size, back, due]).toEqual([1, 0, []]);
    clock.advance(101);
    expect([work.size, back, due]).toEqual([1, 0, [OWN]]);
    clock.advance(10_000);
    expect(due).toEqual([OWN]);
    pair.hangUp();
    clock.advance(100);
    expect([work.size, back, due, clock.timers]).toEqual([0, 1, [OWN], 0]);
  });

  test("is looked at soon, and less and less often", () => {
    const clock = new FakeClock();
    const backAt: number[] = [];
    const work = new LeftWork(clock, () => void backAt.push(clock.now()));
    work.add(left(1));
    clock.advance(1);
    expect(backAt).toEqual([]);
    clock.advance(1);
    expect(backAt).toEqual([2]);
  });

  test("is done when nobody but a job that was left has the connection, and moves with it among workers", () => {
    const clock = new FakeClock();
    using pair = socketPair();
    let workers = [NOBODY, OWN];
    const work = new LeftWork(clock, () => {});
    work.add(left(fstatSync(pair.peerFd).ino, { workers: () => workers }));
    clock.advance(100);
    workers = [NOBODY];
    clock.advance(1000);
    // Who has it is not asked anew while that one has it.
    expect(work.size).toBe(1);
    const other = new LeftWork(clock, () => {});
    other.add(left(fstatSync(pair.peerFd).ino, { workers: () => workers }));
    clock.advance(2);
    expect(other.size).toBe(0);
  });

  test("counts as that of one whose descriptors are too many to be looked at, unless another one has it", () => {
    const clock = new FakeClock();
    using pair = socketPair();
    using other = sleeper();
    const fd = openSync("/dev/null", "r");
    using many = sleeper(Array(100).fill(fd));
    closeSync(fd);
    const inode = fstatSync(pair.peerFd).ino;
    const due: number[] = [];
    for (const pids of [
      [other.pid, many.pid],
      [other.pid, many.pid, OWN],
      [NOBODY, other.pid],
    ]) {
      const work = new LeftWork(clock, () => {});
      work.add(left(inode, { workers: () => pids, dueAt: clock.now(), onDue: (pid) => due.push(pid) }));
      clock.advance(2);
      work.close();
    }
    expect(due).toEqual([many.pid, OWN]);
  });

  test("is given up by age, one after the other", () => {
    const clock = new FakeClock();
    using first = socketPair();
    using second = socketPair();
    const work = new LeftWork(clock, () => {});
    work.add(left(fstatSync(second.peerFd).ino, { since: 20 }));
    work.add(left(fstatSync(first.peerFd).ino, { since: 10 }));
    // Who is at them is not known before the first look.
    expect([work.since, work.giveUp()]).toEqual([undefined, undefined]);
    clock.advance(2);
    expect(work.since).toBe(10);
    const given = work.giveUp();
    expect([given?.worker, given?.isGoingOn()]).toEqual([OWN, true]);
    expect([work.since, work.giveUp()]).toEqual([undefined, undefined]);
    first.hangUp();
    clock.advance(100);
    expect([given?.isGoingOn(), work.since, work.giveUp()?.worker]).toEqual([false, 20, OWN]);
  });

  test("is nobody's any more when the process has ended", () => {
    const clock = new FakeClock();
    let back = 0;
    const work = new LeftWork(clock, () => void back++);
    work.add(left(1));
    work.close();
    clock.advance(1000);
    expect([work.size, back, clock.timers]).toEqual([0, 0, 0]);
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
    const hindrances = () => [hindranceOf, hindranceAmongThreads].map((of) => of(other.pid, lease(), 1000));
    expect(hindrances()).toEqual(["at work", "at work"]);
    other.child.kill("SIGSTOP");
    await waitUntil("it is stopped", () => stateOf(other.pid) === "T");
    expect(hindrances()).toEqual(["stopped", "stopped"]);
  });

  test("and runs is at work when it has used the CPU since, and may merely wait for its turn before", () => {
    const own = lease();
    expect(hindranceOf(OWN, own, 1000)).toBeUndefined();
    // This thread runs.
    expect(hindranceAmongThreads(OWN, own, 1000)).toBeUndefined();
    const since = own.unreadRunMs ?? Number.NaN;
    expect(since).toBeGreaterThan(0);
    own.unreadRunMs = since - 100;
    expect(hindranceOf(OWN, own, 1000)).toBe("at work");
  });

  test("and has gone is neither", () => {
    expect(hindranceOf(NOBODY, lease(), 1000)).toBeUndefined();
    expect(hindranceAmongThreads(NOBODY, lease(), 1000)).toBeUndefined();
  });

  test("and whose threads all wait for each other, or a connection, is told from one at work", async () => {
    using dir = makeTempDir();
    writeFileSync(dir.at("lock"), "");
    const locking = () =>
      Bun.spawn(["perl", "-e", 'open F, ">", shift; flock F, 2; sleep 100', dir.at("lock")], {
        stdio: ["ignore", "ignore", "ignore"],
      });
    const both = [locking(), locking()];
    const waiters = () => both.filter(({ pid }) => waitForEachOther(pid) === true).length;
    await waitUntil("one has it, and one waits for it", () => waiters() === 1);
    using other = sleeper();
    await waitUntil("it sleeps", () => stateOf(other.pid) === "S");
    expect([other.pid, NOBODY, OWN].map(waitForEachOther)).toEqual([false, undefined, false]);
    for (const each of both) each.kill("SIGKILL");
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
