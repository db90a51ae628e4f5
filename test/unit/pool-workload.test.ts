import { describe, expect, test } from "bun:test";
import { type Backend, Lease } from "../../src/backend/backend.ts";
import { Tally } from "../../src/pool/tally.ts";
import { Workload } from "../../src/pool/workload.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** A program with so many processes, and how often they were looked at. */
function workloadOf(processes: number) {
  const clock = new FakeClock();
  const workload = new Workload(clock, new Tally());
  let looks = 0;
  const backends = Array.from({ length: processes }, () => {
    const leases: Lease[] = [];
    const backend = {
      startedAt: 0,
      leases,
      leftAtWork: 0,
      pid: process.pid,
      children: [],
      get usage() {
        looks++;
        return { runMs: 0, cpuWaitMs: 0 };
      },
    };
    return backend as unknown as Backend;
  });
  for (const backend of backends) workload.onReady(backend);
  const lend = () => {
    const lease = new Lease(backends[0] as Backend, clock.now());
    workload.onLent(lease);
    return lease;
  };
  const serve = (ms: number) => {
    const lease = lend();
    clock.advance(ms);
    workload.onDone(lease, clock.now());
  };
  const second = () => {
    clock.advance(1000);
    if (workload.isQuiet) workload.onQuietSecond(clock.now());
    else workload.onSecond(clock.now());
  };
  return { workload, lend, serve, second, looks: () => looks };
}

describe("a program for which nothing happens", () => {
  test("is looked at in the second after something has, and no more", () => {
    const { workload, second, serve, looks } = workloadOf(3);
    second();
    const before = looks();
    for (let i = 0; i < 100; i++) second();
    expect([workload.isQuiet, looks()]).toEqual([true, before]);
    serve(5);
    expect(workload.isQuiet).toBe(false);
    second();
    second();
    expect(looks()).toBe(before + 3);
  });

  test("has processes kept at hand as long as one that is looked at each second", () => {
    const { workload, second, serve } = workloadOf(1);
    second();
    serve(1000);
    second();
    expect(workload.keptAtHand).toBe(2);
    expect(workload.fadesAfter).toBe(60);
    for (let i = 0; i < 59; i++) second();
    expect([workload.keptAtHand, workload.fadesAfter]).toEqual([2, 1]);
    second();
    expect([workload.keptAtHand, workload.fadesAfter]).toEqual([0, Number.POSITIVE_INFINITY]);
  });

  test("wakes with the demand of the second in which it was asked, not of the time it was quiet", () => {
    const { workload, second, serve } = workloadOf(1);
    for (let i = 0; i < 300; i++) second();
    serve(500);
    second();
    expect(workload.keptAtHand).toBe(1);
    serve(4000);
    second();
    expect(workload.keptAtHand).toBe(2);
  });
});

describe("what is measured of processes", () => {
  test("is what they have used since the last look, looked at no more often than ten times a second once it is known", () => {
    const clock = new FakeClock();
    const tally = new Tally();
    const workload = new Workload(clock, tally);
    let runMs = 1000;
    const leases: Lease[] = [];
    const backend = {
      startedAt: 0,
      leases,
      leftAtWork: 0,
      pid: process.pid,
      get usage() {
        return { runMs, cpuWaitMs: 0 };
      },
    } as unknown as Backend;
    workload.onReady(backend);
    expect(tally.cpuMs).toBe(1000);
    const lease = new Lease(backend, clock.now());
    leases.push(lease);
    workload.onLent(lease);
    clock.advance(1000);
    runMs += 500;
    expect([workload.look(), tally.cpuMs, workload.cpuShare]).toEqual([1, 1500, 0.5]);
    runMs += 7;
    clock.advance(99);
    expect([workload.look(), tally.cpuMs]).toEqual([0, 1500]);
    clock.advance(1);
    expect([workload.look(), tally.cpuMs]).toEqual([1, 1507]);
    workload.onDone(lease, clock.now());
    expect([workload.measures.serviceMs, workload.busy, workload.meanAgeMs]).toEqual([1100, 0, 0]);
    workload.onDone(lease, clock.now());
    expect(workload.busy).toBe(0);
  });

  test("has the mean age of the requests that are at work", () => {
    const clock = new FakeClock();
    const workload = new Workload(clock, new Tally());
    const lent = (since: number) => {
      clock.advance(since - clock.now());
      const lease = new Lease({ leases: [] } as unknown as Backend, since);
      workload.onLent(lease);
      return lease;
    };
    const first = lent(100);
    lent(300);
    clock.advance(100);
    expect(workload.meanAgeMs).toBe(200);
    workload.onDone(first, clock.now());
    expect(workload.meanAgeMs).toBe(100);
  });

  test("is nothing of a request whose process was not used", () => {
    expect(new Workload(new FakeClock(), new Tally()).isQuiet).toBe(true);
    const { workload, lend, second } = workloadOf(1);
    second();
    expect(workload.isQuiet).toBe(true);
    const lease = lend();
    expect([workload.busy, workload.isQuiet]).toEqual([1, false]);
    workload.onUnused(lease, 50);
    expect([workload.busy, workload.measures.serviceMs]).toEqual([0, undefined]);
  });

  test("of boots that go on is the highest share of a core, of sixteen at the most, read again after 10 ms", () => {
    const clock = new FakeClock();
    const workload = new Workload(clock, new Tally());
    clock.advance(100);
    let looks = 0;
    let runMs = 50;
    const starting = (state: Backend["state"]) =>
      ({
        state,
        startedAt: 0,
        get usage() {
          looks++;
          return { runMs, cpuWaitMs: 0 };
        },
      }) as Backend;
    const backends = [starting("free"), ...Array.from({ length: 20 }, () => starting("starting"))];
    expect([workload.bootShareSoFar(backends), looks]).toEqual([0.5, 16]);
    runMs = 100;
    clock.advance(9);
    expect([workload.bootShareSoFar(backends), looks]).toEqual([0.5, 16]);
    clock.advance(1);
    expect(workload.bootShareSoFar(backends)).toBeCloseTo(100 / 110);
    expect(looks).toBe(32);
  });
});

describe("a look at processes", () => {
  test("reads no more files than one look is for, however many there are", () => {
    const { workload, serve, looks } = workloadOf(40);
    serve(5);
    const before = looks();
    expect(workload.look()).toBe(16);
    expect(looks() - before).toBe(16);
  });

  test("takes up to so many in turn", () => {
    const { workload } = workloadOf(5);
    const first = workload.some(3);
    expect(first.length).toBe(3);
    expect(workload.some(2).some((backend) => first.includes(backend))).toBe(false);
    expect(workload.some(64).length).toBe(5);
  });
});

describe("a process that has started", () => {
  test("has taken the time since its start for its boot", () => {
    const clock = new FakeClock();
    const tally = new Tally();
    const workload = new Workload(clock, tally);
    clock.advance(1000);
    const backend = { startedAt: 900, leases: [], usage: { runMs: 50, cpuWaitMs: 0 } } as unknown as Backend;
    workload.onReady(backend);
    expect([workload.measures.bootMs, workload.measures.bootCpuShare, tally.cpuMs]).toEqual([100, 0.5, 50]);
  });

  test("has used what it used for nobody over the time that it worked for nobody: jobs that sleep bound nothing", () => {
    const clock = new FakeClock();
    const workload = new Workload(clock, new Tally());
    const usage = { runMs: 0, cpuWaitMs: 0 };
    const backend = { startedAt: 0, leases: [], leftAtWork: 0, state: "free", aloneSince: 0, usage };
    workload.onReady(backend as unknown as Backend);
    const look = (ms: number, runMs: number, changes = {}) => {
      clock.advance(ms);
      Object.assign(backend, { usage: { runMs: backend.usage.runMs + runMs, cpuWaitMs: 0 }, ...changes });
      workload.look();
      return workload.measures.busyMs;
    };
    // Idle for 300 ms, and on its own for 200 since; what it has used in the last look is of all of that.
    expect(look(500, 20, { state: "on its own", aloneSince: 300 })).toBeCloseTo(200);
    expect(workload.cpuShare).toBeCloseTo(0.1);
    expect(look(100, 0)).toBeCloseTo(200 * 0.99 + 100);
    expect(look(100, 0, { state: "free", leftAtWork: 2 })).toBeCloseTo((200 * 0.99 + 100) * 0.98 + 200);
  });

  test("has used what was seen of it, over the time of the requests that it has worked on", () => {
    const clock = new FakeClock();
    const tally = new Tally();
    const workload = new Workload(clock, tally);
    const leases: Lease[] = [];
    const backend = { startedAt: 0, leases, leftAtWork: 0, usage: { runMs: 0, cpuWaitMs: 0 } };
    const process = backend as unknown as Backend;
    workload.onReady(process);
    const request = (ms: number, runMs: number, cpuWaitMs = 0) => {
      const lease = new Lease(process, clock.now());
      leases.push(lease);
      workload.onLent(lease);
      clock.advance(ms);
      backend.usage = {
        runMs: backend.usage.runMs + runMs,
        cpuWaitMs: backend.usage.cpuWaitMs + cpuWaitMs,
      };
      leases.pop();
      workload.onDone(lease, clock.now());
    };
    request(200, 50);
    workload.look();
    expect([workload.cpuShare, workload.measures.busyMs, tally.cpuMs]).toEqual([0.25, 200, 50]);
    // What waited for a CPU would have been faster.
    request(200, 50, 100);
    workload.look();
    expect(workload.measures.busyMs).toBeCloseTo(200 * 0.98 + 200);
    expect(workload.cpuShare).toBeCloseTo((50 * 0.98 + 50) / (200 * 0.98 + 100));
    expect([workload.look(), workload.meanAgeMs]).toEqual([0, 0]);
    request(150, 50);
    workload.look();
    expect(workload.measures.busyMs).toBeCloseTo((200 * 0.98 + 200) * 0.985 + 150);
    workload.forget(process);
    clock.advance(1000);
    expect([workload.look(), workload.some(5)]).toEqual([0, []]);
  });

  test("and is at work now counts with the time since it was lent", () => {
    const { workload, lend } = workloadOf(1);
    const clock = lend();
    expect([workload.busy, workload.meanAgeMs]).toEqual([1, 0]);
    workload.onUnused(clock, 0);
    expect([workload.busy, workload.measures.serviceMs]).toEqual([0, undefined]);
    workload.onUnused(clock, 0);
    expect(workload.busy).toBe(0);
  });
});
