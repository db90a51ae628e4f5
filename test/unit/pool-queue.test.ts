import { describe, expect, test } from "bun:test";
import { type Backend, Lease } from "../../src/backend/backend.ts";
import { FpmError } from "../../src/base/errors.ts";
import { Histogram } from "../../src/base/histogram.ts";
import { FreeList } from "../../src/pool/free-list.ts";
import { type Waiter, WaitQueue } from "../../src/pool/queue.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** The queue and the list look only at these of a backend. */
const backend = (facts: { served?: number; busy?: number; free?: number }) =>
  ({ served: 0, busy: 0, free: 1, isIdle: !facts.busy, ...facts }) as Backend;
const lease = () => new Lease(backend({}), 0);
const late = () => new FpmError("QUEUE_TIMEOUT", "daemon", "too late");

/** A request that notes what it hears. */
class Request implements Waiter {
  readonly waitingSince: number;
  previous: Waiter | undefined;
  next: Waiter | undefined;
  heard: Lease | string | undefined;

  constructor(waitingSince = 0) {
    this.waitingSince = waitingSince;
  }

  onLease(given: Lease): void {
    this.heard = given;
  }

  onRefused(error: FpmError): void {
    this.heard = error.message;
  }
}

function queueWith(...requests: Request[]) {
  const clock = new FakeClock();
  const queue = new WaitQueue(clock, 1000, late);
  for (const request of requests) queue.add(request);
  return { clock, queue };
}

describe("the queue", () => {
  test("gives backends in the order of arrival", () => {
    const [first, second] = [new Request(), new Request()];
    const { queue } = queueWith(first, second);
    const [one, two] = [lease(), lease()];
    expect([queue.give(one), queue.give(two), queue.give(lease())]).toEqual([true, true, false]);
    expect([first.heard, second.heard]).toEqual([one, two]);
  });

  test("refuses a request when its time is over, not a millisecond before, and the next one when its own is", () => {
    const [first, second] = [new Request(0), new Request(300)];
    const { clock, queue } = queueWith(first);
    clock.advance(300);
    queue.add(second);
    clock.advance(699);
    expect([queue.length, queue.oldestWaitMs, first.heard]).toEqual([2, 999, undefined]);
    clock.advance(1);
    expect([queue.length, first.heard, second.heard]).toEqual([1, "too late", undefined]);
    clock.advance(299);
    expect(second.heard).toBeUndefined();
    clock.advance(1);
    expect([queue.length, second.heard, clock.timers]).toEqual([0, "too late", 0]);
  });

  test("goes by another time once that is set, for those that wait as well", () => {
    const request = new Request();
    const { clock, queue } = queueWith(request);
    queue.timeoutMs = 100;
    expect(clock.timers).toBe(1);
    clock.advance(99);
    expect(request.heard).toBeUndefined();
    clock.advance(1);
    expect(request.heard).toBe("too late");
  });

  test("forgets a request whose client left: it hears of nothing any more", () => {
    const [gone, other] = [new Request(), new Request()];
    const { clock, queue } = queueWith(gone, other);
    queue.remove(gone);
    queue.give(lease());
    clock.advance(5000);
    expect([queue.length, gone.heard, clock.timers]).toEqual([0, undefined, 0]);
    expect(other.heard).toBeInstanceOf(Lease);
  });

  test("puts a request that asks once more back to its place, before those that came later", () => {
    const [older, newer, again] = [new Request(0), new Request(50), new Request(20)];
    const { clock, queue } = queueWith();
    clock.advance(60);
    for (const request of [older, newer, again]) queue.add(request);
    expect([older, again, newer].map((request) => queue.ahead(request))).toEqual([0, 1, 2]);
    // Its time began when it first asked.
    clock.advance(959);
    expect([older.heard, again.heard]).toEqual(["too late", undefined]);
    clock.advance(1);
    expect([again.heard, newer.heard]).toEqual(["too late", undefined]);
  });

  test("lets a request that asked first be the first again, with its own time", () => {
    const [late, early] = [new Request(50), new Request(10)];
    const { clock, queue } = queueWith();
    clock.advance(100);
    queue.add(late);
    queue.add(early);
    expect(clock.timers).toBe(1);
    clock.advance(910);
    expect([early.heard, late.heard]).toEqual(["too late", undefined]);
  });

  test("tells a request how many wait before it", () => {
    const requests = [new Request(), new Request(), new Request()];
    const { queue } = queueWith(...requests);
    expect(requests.map((request) => queue.ahead(request))).toEqual([0, 1, 2]);
    queue.remove(requests[0] as Request);
    expect(queue.ahead(requests[2] as Request)).toBe(1);
  });

  test("refuses nobody who leaves when another one hears of it", () => {
    const [first, second] = [new Request(), new Request()];
    const { queue } = queueWith(first, second);
    first.onRefused = () => queue.remove(second);
    queue.refuse(2, new FpmError("BOOT_FAILED", "backend", "no"));
    expect([second.heard, queue.length]).toEqual([undefined, 0]);
  });

  test("refuses only as many as it is told to, the oldest first", () => {
    const [first, second] = [new Request(), new Request()];
    const { queue } = queueWith(first, second);
    queue.refuse(1, new FpmError("BOOT_FAILED", "backend", "no"));
    expect([first.heard, second.heard, queue.length]).toEqual(["no", undefined, 1]);
  });
});

test("the queue counts how long those waited that were given a backend", () => {
  const clock = new FakeClock();
  const waits = new Histogram();
  const queue = new WaitQueue(clock, 1000, late, waits);
  for (const since of [0, 40]) queue.add(new Request(since));
  queue.give(new Lease(backend({}), 100));
  queue.refuse(1, late());
  expect([waits.count, waits.sumMs]).toEqual([1, 100]);
});

describe("the list of free backends", () => {
  test("names the most recently used next, and the idlest", () => {
    const list = new FreeList();
    const [a, b] = [backend({ served: 1 }), backend({ served: 1 })];
    list.put(a);
    list.put(b);
    expect([list.idlest, list.next]).toEqual([a, b]);
    list.put(a);
    expect([list.idlest, list.next]).toEqual([b, a]);
  });

  test("does not take one that is at work for idle", () => {
    const list = new FreeList();
    const [working, idle] = [backend({ busy: 3, free: 5 }), backend({ free: 8 })];
    list.put(working);
    list.put(idle);
    expect([list.idlest, list.idle]).toEqual([idle, [idle]]);
  });

  test("lets one go that leaves, and does not mind one that it does not hold", () => {
    const list = new FreeList();
    const one = backend({});
    list.put(one);
    list.remove(one);
    list.remove(one);
    expect([list.isEmpty, list.idlest]).toEqual([true, undefined]);
  });
});
