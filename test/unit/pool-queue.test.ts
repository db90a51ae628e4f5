import { describe, expect, test } from "bun:test";
import type { Backend } from "../../src/backend/backend.ts";
import { Lease } from "../../src/backend/lease.ts";
import { FpmError } from "../../src/base/errors.ts";
import { BootRecord } from "../../src/pool/boot-record.ts";
import { FreeList } from "../../src/pool/free-list.ts";
import { WaitQueue } from "../../src/pool/queue.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** The queue and the list look only at these of a backend. */
const backend = (facts: { served?: number; busy?: number; free?: number }) =>
  ({ served: 0, busy: 0, free: 1, ...facts }) as Backend;
const lease = (served: number) => new Lease(backend({ served }), 0);
const late = () => new FpmError("QUEUE_TIMEOUT", "daemon", "too late");

describe("the queue", () => {
  test("gives backends in the order of arrival", async () => {
    const queue = new WaitQueue(new FakeClock());
    const first = queue.add(false, 1000, late);
    const second = queue.add(false, 1000, late);
    const [one, two] = [lease(1), lease(1)];
    expect(queue.give(one, false)).toBe(true);
    expect(queue.give(two, false)).toBe(true);
    expect(queue.give(lease(1), false)).toBe(false);
    expect(await Promise.all([first.lease, second.lease])).toEqual([one, two]);
  });

  test("refuses a request when its time is over, not a millisecond before", async () => {
    const clock = new FakeClock();
    const queue = new WaitQueue(clock);
    const waiting = queue.add(false, 1000, late);
    clock.advance(999);
    expect(queue.length).toBe(1);
    expect(queue.oldestWaitMs).toBe(999);
    clock.advance(1);
    expect(queue.length).toBe(0);
    await expect(waiting.lease).rejects.toThrow("too late");
  });

  test("forgets a request whose client left, and its timer", () => {
    const clock = new FakeClock();
    const queue = new WaitQueue(clock);
    queue.add(true, 1000, late).cancel();
    expect([queue.length, queue.lengthUnserved, clock.timers]).toEqual([0, 0, 0]);
    expect(queue.give(lease(0), false)).toBe(false);
  });

  test("keeps a request that asks for an unserved backend from a served one, unless anyone may have it", async () => {
    const queue = new WaitQueue(new FakeClock());
    const picky = queue.add(true, 1000, late);
    const other = queue.add(false, 1000, late);
    const [served, fresh] = [lease(3), lease(0)];
    queue.give(served, false);
    expect(await other.lease).toBe(served);
    expect(queue.give(lease(1), false)).toBe(false);
    queue.give(fresh, false);
    expect(await picky.lease).toBe(fresh);
    const again = queue.add(true, 1000, late);
    queue.give(served, true);
    expect(await again.lease).toBe(served);
  });

  test("tells a request how many wait before it", () => {
    const queue = new WaitQueue(new FakeClock());
    const [first, second, third] = [1, 2, 3].map(() => queue.add(false, 1000, late));
    expect([first?.ahead, second?.ahead, third?.ahead]).toEqual([0, 1, 2]);
    first?.cancel();
    expect([first?.ahead, second?.ahead, third?.ahead]).toEqual([0, 0, 1]);
  });

  test("refuses only as many as it is told to, the oldest first", async () => {
    const queue = new WaitQueue(new FakeClock());
    const first = queue.add(false, 1000, late);
    queue.add(false, 1000, late);
    queue.refuse(1, new FpmError("BOOT_FAILED", "backend", "no"));
    await expect(first.lease).rejects.toThrow("no");
    expect(queue.length).toBe(1);
  });
});

describe("the list of free backends", () => {
  test("names the most recently used next, and the idlest", () => {
    const list = new FreeList();
    const [a, b] = [backend({ served: 1 }), backend({ served: 1 })];
    list.put(a);
    list.put(b);
    expect([list.idlest, list.next(false)]).toEqual([a, b]);
    list.put(a);
    expect([list.idlest, list.next(false)]).toEqual([b, a]);
  });

  test("finds one that has not served among those that have", () => {
    const list = new FreeList();
    const fresh = backend({ served: 0 });
    list.put(fresh);
    list.put(backend({ served: 5 }));
    expect([list.unserved, list.next(true)]).toEqual([1, fresh]);
    list.remove(fresh);
    expect([list.unserved, list.next(true), list.isEmpty]).toEqual([0, undefined, false]);
  });

  test("counts the requests that its backends can take, and does not take one that is at work for idle", () => {
    const list = new FreeList();
    const [working, idle] = [backend({ busy: 3, free: 5 }), backend({ free: 8 })];
    list.put(working);
    list.put(idle);
    expect([list.places, list.idlest, list.idle]).toEqual([13, idle, [idle]]);
  });

  test("lets one go that leaves, and does not mind one that it does not hold", () => {
    const list = new FreeList();
    const one = backend({});
    list.put(one);
    list.remove(one);
    list.remove(one);
    expect([list.isEmpty, list.places]).toEqual([true, 0]);
  });
});

describe("the record of boots", () => {
  test("pauses after each failure and opens the breaker at the third in a row", () => {
    const boots = new BootRecord();
    expect(boots.fail(0)).toBe(200);
    expect([boots.waitMs(199), boots.waitMs(200)]).toEqual([1, 0]);
    expect(boots.fail(200)).toBe(400);
    expect(boots.isOpen(201)).toBe(false);
    expect(boots.fail(600)).toBe(800);
    expect([boots.isOpen(1399), boots.isOpen(1400)]).toEqual([true, false]);
  });

  test("opens again at once when the probe fails too", () => {
    const boots = new BootRecord();
    for (let i = 0; i < 3; i++) boots.fail(0);
    boots.fail(800);
    expect(boots.isOpen(801)).toBe(true);
  });

  test("is forgotten with a success", () => {
    const boots = new BootRecord();
    for (let i = 0; i < 3; i++) boots.fail(0);
    boots.reset();
    expect([boots.isOpen(1), boots.waitMs(1), boots.failures]).toEqual([false, 0, 0]);
  });
});
