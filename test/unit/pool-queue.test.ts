import { describe, expect, test } from "bun:test";
import type { Backend } from "../../src/backend/backend.ts";
import { FpmError } from "../../src/base/errors.ts";
import { BootRecord } from "../../src/pool/boot-record.ts";
import { IdleList } from "../../src/pool/idle-list.ts";
import { WaitQueue } from "../../src/pool/queue.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** The queue and the list look only at how much a backend has served. */
const backend = (served: number) => ({ served }) as Backend;
const late = () => new FpmError("QUEUE_TIMEOUT", "daemon", "too late");

describe("the queue", () => {
  test("gives backends in the order of arrival", async () => {
    const queue = new WaitQueue(new FakeClock());
    const first = queue.add(false, 1000, late);
    const second = queue.add(false, 1000, late);
    const [one, two] = [backend(1), backend(1)];
    expect(queue.give(one, false)).toBe(true);
    expect(queue.give(two, false)).toBe(true);
    expect(queue.give(backend(1), false)).toBe(false);
    expect(await Promise.all([first.backend, second.backend])).toEqual([one, two]);
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
    await expect(waiting.backend).rejects.toThrow("too late");
  });

  test("forgets a request whose client left, and its timer", () => {
    const clock = new FakeClock();
    const queue = new WaitQueue(clock);
    queue.add(true, 1000, late).cancel();
    expect([queue.length, queue.lengthUnserved, clock.timers]).toEqual([0, 0, 0]);
    expect(queue.give(backend(0), false)).toBe(false);
  });

  test("keeps a request that asks for an unserved backend from a served one, unless anyone may have it", async () => {
    const queue = new WaitQueue(new FakeClock());
    const picky = queue.add(true, 1000, late);
    const other = queue.add(false, 1000, late);
    const [served, fresh] = [backend(3), backend(0)];
    queue.give(served, false);
    expect(await other.backend).toBe(served);
    expect(queue.give(backend(1), false)).toBe(false);
    queue.give(fresh, false);
    expect(await picky.backend).toBe(fresh);
    const again = queue.add(true, 1000, late);
    queue.give(served, true);
    expect(await again.backend).toBe(served);
  });

  test("refuses only as many as it is told to, the oldest first", async () => {
    const queue = new WaitQueue(new FakeClock());
    const first = queue.add(false, 1000, late);
    queue.add(false, 1000, late);
    queue.refuse(1, new FpmError("BOOT_FAILED", "backend", "no"));
    await expect(first.backend).rejects.toThrow("no");
    expect(queue.length).toBe(1);
  });
});

describe("the list of idle backends", () => {
  test("lends the most recently used and names the idlest", () => {
    const list = new IdleList();
    const [a, b] = [backend(1), backend(1)];
    list.push(a);
    list.push(b);
    expect(list.idlest).toBe(a);
    expect(list.take(false)).toBe(b);
    expect(list.take(false)).toBe(a);
    expect(list.take(false)).toBeUndefined();
  });

  test("finds one that has not served among those that have", () => {
    const list = new IdleList();
    const fresh = backend(0);
    list.push(fresh);
    list.push(backend(5));
    expect(list.unserved).toBe(1);
    expect(list.take(true)).toBe(fresh);
    expect(list.take(true)).toBeUndefined();
    expect(list.length).toBe(1);
  });

  test("lets one go that is stopped, and does not mind one that it does not hold", () => {
    const list = new IdleList();
    const one = backend(1);
    list.push(one);
    list.remove(one);
    list.remove(one);
    expect(list.length).toBe(0);
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
