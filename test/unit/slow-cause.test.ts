import { describe, expect, test } from "bun:test";
import { causeOf, type Looks } from "../../src/slow/cause.ts";
import type { DescriptorFacts, ProcessFacts, ThreadFacts } from "../../src/slow/process-facts.ts";

const CLOCK_NANOSLEEP = { x64: 230, arm64: 115 };
const READ = { x64: 0, arm64: 63 };
const FUTEX = { x64: 202, arm64: 98 };

function thread(
  state: string,
  number: number | undefined,
  args: number[] = [],
  kernelFunction = "",
): ThreadFacts {
  return { tid: 7, state, kernelFunction, call: number === undefined ? undefined : { number, args } };
}

function facts(threads: ThreadFacts[], changes: Partial<ProcessFacts> = {}): ProcessFacts {
  return {
    pid: 7,
    name: "a.fcgi",
    cpuMs: 1000,
    cpuWaitMs: 0,
    threads,
    descriptors: new Map(),
    lockHolders: [],
    children: [],
    denied: [],
    ...changes,
  };
}

function cause(after: ProcessFacts, changes: Partial<Looks> = {}): string {
  const before = { ...after, cpuMs: 1000, cpuWaitMs: 0 };
  const common = { processor: "x64", isShared: false, requestOf: () => undefined };
  return causeOf({ before, after, elapsedMs: 200, ...common, ...changes });
}

const socket = (name: string): DescriptorFacts => ({ kind: "socket", name });

describe("the cause", () => {
  test.each(["x64", "arm64"] as const)("is known by the numbers of %s", (processor) => {
    const sleeping = thread("S", CLOCK_NANOSLEEP[processor], [0, 0], "hrtimer_nanosleep");
    expect(cause(facts([sleeping]), { processor })).toBe("sleeps (clock_nanosleep, hrtimer_nanosleep)");
    const reading = facts([thread("S", READ[processor], [5], "wait_woken")], {
      descriptors: new Map([[5, socket("tcp 192.0.2.1:3306")]]),
    });
    expect(cause(reading, { processor })).toBe("waits for data (read, wait_woken) from tcp 192.0.2.1:3306");
  });

  test("is taken from the kernel's function where the call is not known", () => {
    expect(cause(facts([thread("S", undefined, [], "hrtimer_nanosleep")]))).toBe(
      "sleeps (hrtimer_nanosleep)",
    );
    expect(cause(facts([thread("S", undefined, [], "__skb_wait_for_more_packets")]))).toStartWith(
      "waits for data",
    );
    expect(cause(facts([thread("S", 4000, [], "some_new_thing")]))).toBe(
      "sleeps in the kernel (system call 4000, some_new_thing)",
    );
    expect(cause(facts([thread("S", undefined)]))).toBe("sleeps in the kernel");
  });

  test("is computing from half a core on, and says when others have the CPUs", () => {
    const running = [thread("R", undefined)];
    expect(cause(facts(running, { cpuMs: 1100 }))).toBe("computes: 50 % of a core");
    expect(cause(facts(running, { cpuMs: 1090 }))).toBe("runs, or waits for a CPU");
    expect(cause(facts(running, { cpuMs: 1040, cpuWaitMs: 160 }))).toBe(
      "computes: 20 % of a core, and waits 80 % of the time for a CPU that others use",
    );
  });

  test("of a process that works on other requests too tells the other threads beside one that computes", () => {
    const threads = [thread("R", undefined), thread("S", FUTEX.x64, [1, 128, 2])];
    expect(cause(facts(threads, { cpuMs: 1200 }))).toBe("computes: 100 % of a core");
    expect(cause(facts(threads, { cpuMs: 1200 }), { isShared: true })).toBe(
      "computes: 100 % of a core; waits for a lock, or for another thread (futex)",
    );
  });

  test("leaves threads out that wait for a request or for the end of another, unless there are no others", () => {
    const joining = { ...thread("S", FUTEX.x64, [1, 265, 8]), tid: 6 };
    const accepting = { ...thread("S", 288, [0]), tid: 8 };
    const locked = { ...thread("S", FUTEX.x64, [1, 128, 2]), tid: 9 };
    expect(cause(facts([joining, accepting, locked]))).toBe(
      "waits for a lock, or for another thread (futex)",
    );
    expect(cause(facts([accepting]))).toBe("waits for a request (accept4)");
  });

  test("adds up threads that do the same, and tells locks after the rest", () => {
    const locked = thread("S", FUTEX.x64, [1, 128, 2]);
    const sleeping = thread("S", CLOCK_NANOSLEEP.x64);
    expect(cause(facts([locked, locked, sleeping]))).toBe(
      "sleeps (clock_nanosleep); 2 threads: waits for a lock, or for another thread (futex)",
    );
    const five = ["a", "b", "c", "d", "e", "f"].map((name) => thread("S", undefined, [], name));
    expect(cause(facts(five))).toEndWith("; 2 more");
  });

  test("names what all its sockets are where it waits for any of them, but not the one to std-fpm", () => {
    const descriptors = new Map<number, DescriptorFacts>([
      [0, { kind: "own", name: "unix /run/std-fpm/backends/1-1.sock" }],
      [2, { kind: "pipe", name: "a pipe" }],
      [5, socket("tcp 192.0.2.1:3306")],
      [6, socket("unix /run/redis.sock")],
      [7, socket("unix /run/redis.sock")],
    ]);
    expect(cause(facts([thread("S", 7)], { descriptors }))).toBe(
      "waits for its sockets or pipes, or a timeout (poll): tcp 192.0.2.1:3306, unix /run/redis.sock",
    );
  });

  test("is the web server's side at the connection that the request came on", () => {
    const descriptors = new Map<number, DescriptorFacts>([[4, { kind: "own", name: "unix /x" }]]);
    expect(cause(facts([thread("S", 0, [4])], { descriptors }))).toBe(
      "waits for the body of the request (read)",
    );
    expect(cause(facts([thread("S", 1, [4])], { descriptors }))).toBe(
      "waits until its answer is taken: the client is slow (write)",
    );
  });

  test("names who holds a file lock, and what that one is at", () => {
    const waiting = facts([thread("S", 73, [3])], {
      descriptors: new Map([[3, { kind: "file", name: "/srv/data/lock" }]]),
      lockHolders: [
        { pid: 8, name: "a.fcgi" },
        { pid: 9, name: "" },
      ],
    });
    const requestOf = (pid: number) => (pid === 8 ? "GET /import" : undefined);
    expect(cause(waiting, { requestOf })).toBe(
      "waits for a file lock (flock) on /srv/data/lock, held by pid 8 (a.fcgi) at GET /import, pid 9",
    );
  });

  test("says what the child does that is waited for, and the child's child", () => {
    const sleep = facts([thread("S", CLOCK_NANOSLEEP.x64)], { pid: 10, name: "sleep" });
    const sh = facts([thread("S", 61, [-1])], { pid: 9, name: "sh", children: [sleep] });
    const other = facts([thread("S", 0, [0])], { pid: 11, name: "logger" });
    expect(cause(facts([thread("S", 61, [9])], { children: [other, sh] }))).toBe(
      "waits for a child (wait4): sh (pid 9) waits for a child (wait4): sleep (pid 10) sleeps (clock_nanosleep)",
    );
  });

  test("tells the child also where it reads from a pipe, or waits for a signal as shells do", () => {
    const children = [facts([thread("S", CLOCK_NANOSLEEP.x64)], { pid: 10, name: "sleep" })];
    const descriptors = new Map<number, DescriptorFacts>([[3, { kind: "pipe", name: "a pipe" }]]);
    expect(cause(facts([thread("S", 0, [3])], { children, descriptors }))).toBe(
      "waits for data (read) from a pipe; its child sleep (pid 10) sleeps (clock_nanosleep)",
    );
    expect(cause(facts([thread("S", 130)], { children }))).toBe(
      "waits for a signal (rt_sigsuspend); its child sleep (pid 10) sleeps (clock_nanosleep)",
    );
  });

  test.each([
    ["T", "is stopped (by SIGSTOP, or a debugger)"],
    ["t", "is stopped (by SIGSTOP, or a debugger)"],
    ["Z", "has ended"],
    ["R", "runs, or waits for a CPU"],
    ["D", "waits for the disk or a driver"],
  ])("of a process in state %s is: %s", (state, words) => {
    expect(cause(facts([thread(state, undefined)]))).toBe(words);
  });

  test("names the open files where the disk is waited for", () => {
    const descriptors = new Map<number, DescriptorFacts>([[3, { kind: "file", name: "/mnt/nfs/data" }]]);
    expect(cause(facts([thread("D", undefined, [], "rpc_wait_bit_killable")], { descriptors }))).toBe(
      "waits for the file system (rpc_wait_bit_killable); open: /mnt/nfs/data",
    );
  });

  test("says what may not be read", () => {
    expect(cause(facts([thread("S", undefined)], { denied: ["syscall", "fd"] }))).toBe(
      "sleeps in the kernel; std-fpm may not read /proc/7/syscall, /proc/7/fd",
    );
  });
});
