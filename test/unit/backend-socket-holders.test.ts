import { afterEach, expect, test } from "bun:test";
import { closeSync, existsSync, fstatSync, openSync } from "node:fs";
import type { BackendSocket } from "../../src/backend/backend-socket.ts";
import type { BackendDeps } from "../../src/backend/lent-backend.ts";
import { holdsSocket } from "../../src/backend/process-tree.ts";
import { endBackground, endHoldersOf } from "../../src/backend/socket-holders.ts";
import { systemClock } from "../../src/base/clock.ts";
import { closeFd, listenUnix } from "../../src/base/libc.ts";
import { childrenOf } from "../../src/base/proc-stat.ts";
import { Turns } from "../../src/base/turns.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { isAlive } from "../support/processes.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

/** A child of ours is what an orphan is to std-fpm. */
const started: Bun.Subprocess[] = [];
const uid = process.getuid?.() ?? 0;

afterEach(async () => {
  for (const each of started) each.kill("SIGKILL");
  await Promise.all(started.splice(0).map(({ exited }) => exited));
});

/** A process that sleeps, with these descriptors from 0 on. */
function sleeper(fds: readonly number[], command: readonly string[] = ["sleep", "1000"]): number {
  const child = Bun.spawn([...command], { stdio: [fds[0] ?? "ignore", "ignore", "ignore", ...fds] });
  started.push(child);
  return child.pid;
}

function search(inode: number, asUid = uid) {
  const orphans = () => started.map(({ pid }) => pid);
  return { inode, uid: asUid, orphans, turns: new Turns(systemClock) };
}

/** What the longest turn of the event loop has used of the CPU until this was done, in milliseconds: whatever else the machine does. */
async function longestTurnOf(work: Promise<unknown>): Promise<number> {
  let isDone = false;
  void work.finally(() => {
    isDone = true;
  });
  let longest = 0;
  for (let before = process.cpuUsage(); !isDone; ) {
    await new Promise((resolve) => setImmediate(resolve));
    const { user, system } = process.cpuUsage(before);
    longest = Math.max(longest, (user + system) / 1000);
    before = process.cpuUsage();
  }
  return longest;
}

test.each([
  ["that nobody has is left alone", true, true, []],
  ["that somebody accepts on has its holders ended", true, false, ["orphans"]],
  ["that was never accepted on has its holders ended at once", false, true, ["orphans"]],
] as const)("the socket of a program that has ended %s", async (_what, isStarted, isUnaccepted, asked) => {
  const clock = new FakeClock();
  const done: string[] = [];
  const socket = {
    inode: 1,
    closeIdle: () => void done.push("close idle"),
    knock: () => void done.push("knock"),
    get hasUnaccepted() {
      done.push("look");
      return isUnaccepted;
    },
  } as unknown as BackendSocket;
  const orphans = () => {
    done.push("orphans");
    return [];
  };
  const deps = { clock, orphans, turns: new Turns(systemClock) } as unknown as BackendDeps;
  const ending = endBackground(socket, uid, isStarted, deps);
  clock.advance(99);
  if (isStarted) expect(done).toEqual(["close idle", "knock"]);
  clock.advance(1);
  expect(await ending).toEqual([]);
  const looks = isStarted ? ["close idle", "knock", "look"] : [];
  expect([...new Set(done)]).toEqual([...looks, ...asked]);
});

test("who has the socket of a program is found among many others, and what it has started, too", async () => {
  using dir = makeTempDir();
  const fd = listenUnix(dir.at("s.sock"), 1);
  const other = openSync("/dev/null", "r");
  try {
    const { ino } = fstatSync(fd);
    const holder = sleeper([fd]);
    // It has closed what its child has.
    const parent = sleeper(
      [fd],
      ["sh", "-c", `sleep 1000 & touch ${dir.at("pid")}; exec sleep 1000 <&- 3<&-`],
    );
    await waitUntil("there is a child", () => existsSync(dir.at("pid")) && childrenOf(parent).length === 1);
    const [child = 0] = childrenOf(parent);
    await waitUntil("only that has it", () => holdsSocket(parent, ino) === false);
    for (let many = 0; many < 300; many++) sleeper(Array(60).fill(other));

    expect(await endHoldersOf(search(ino, uid + 1))).toEqual([]);
    const ending = endHoldersOf(search(ino));
    expect(await longestTurnOf(ending)).toBeLessThan(30);
    expect((await ending).toSorted()).toEqual([holder, child].toSorted());
    await waitUntil("they have ended", () => !isAlive(holder) && !isAlive(child));
    expect(isAlive(parent)).toBe(true);
  } finally {
    closeFd(fd);
    closeSync(other);
  }
});
