import { afterEach, describe, expect, test } from "bun:test";
import type { BackendDeps, BackendOwner } from "../../src/backend/lent-backend.ts";
import { sendSignal } from "../../src/base/signal.ts";
import { FakeBackend, fakeProgram } from "../support/fake-backend.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { isAlive } from "../support/processes.ts";
import { waitUntil } from "../support/wait-until.ts";

const started: Bun.Subprocess[] = [];

afterEach(async () => {
  for (const each of started) each.kill("SIGKILL");
  await Promise.all(started.splice(0).map(({ exited }) => exited));
});

/** A process that goes on when it is asked to end. */
async function stubborn(): Promise<number> {
  const child = Bun.spawn(["sh", "-c", "trap '' TERM; echo; while :; do sleep 100; done"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  started.push(child);
  await child.stdout.getReader().read();
  return child.pid;
}

/** A process that has this one as a child. */
class Parent extends FakeBackend {
  readonly lines: string[];
  readonly #child: number;

  constructor(child: number, clock: FakeClock) {
    const lines: string[] = [];
    const line = (text: string, { pid, reason }: Record<string, unknown>) =>
      void lines.push(`${text} ${pid} ${reason}`);
    const owner = { onBackendMoved() {}, onBackendReady() {} } as unknown as BackendOwner;
    super(fakeProgram(), owner, { clock, log: { warn: line, info: line } } as unknown as BackendDeps);
    this.lines = lines;
    this.#child = child;
  }

  override get children(): readonly number[] {
    return [this.#child];
  }

  endIt(isAtIt: () => boolean): void {
    this.endChild(this.#child, "abort timeout", 500, isAtIt);
  }
}

describe("a child of a process", () => {
  test("that is meant by a verdict is killed alone: the process goes on", async () => {
    const [child, clock] = [await stubborn(), new FakeClock()];
    const backend = new Parent(child, clock);
    backend.accept();
    const lease = backend.lend(0);
    lease.condemn("request timeout", child);
    backend.end(lease, "over", 0);
    expect([backend.told, backend.state, backend.lines]).toEqual([
      [],
      "free",
      [`one of its children was killed ${child} request timeout`],
    ]);
    await waitUntil("it has ended", () => !isAlive(child));
  });

  test("that a verdict names and that is none of its own brings the process itself down", async () => {
    const [child, clock] = [await stubborn(), new FakeClock()];
    const backend = new Parent(child, clock);
    backend.accept();
    const lease = backend.lend(0);
    lease.condemn("request timeout", child + 2 ** 30);
    backend.end(lease, "over", 0);
    expect([backend.told, isAlive(child)]).toEqual([[0], true]);
  });

  test("that is to end is asked first, and killed after its time where it is still at it", async () => {
    for (const isAtIt of [false, true]) {
      const [child, clock] = [await stubborn(), new FakeClock()];
      const backend = new Parent(child, clock);
      backend.endIt(() => isAtIt);
      const asked = `one of its children was told to end ${child} abort timeout`;
      clock.advance(499);
      expect([backend.lines, isAlive(child)]).toEqual([[asked], true]);
      clock.advance(1);
      const killed = `one of its children was killed ${child} abort timeout`;
      expect(backend.lines).toEqual(isAtIt ? [asked, killed] : [asked]);
      if (isAtIt) await waitUntil("it has ended", () => !isAlive(child));
      else expect(isAlive(child)).toBe(true);
    }
  });
});

test("whether a signal has found somebody is told", async () => {
  const child = await stubborn();
  expect([sendSignal(child, 0), sendSignal(2 ** 30, 0), sendSignal(2 ** 30, "SIGTERM")]).toEqual([
    true,
    false,
    false,
  ]);
});
