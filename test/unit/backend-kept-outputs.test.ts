import { describe, expect, test } from "bun:test";
import { KeptOutputs, type OutputHolder } from "../../src/backend/kept-outputs.ts";
import { OutputReader } from "../../src/backend/output.ts";
import { systemClock } from "../../src/base/clock.ts";
import { closeFd, openPipe } from "../../src/base/libc.ts";
import { createLog } from "../../src/base/log.ts";
import { directPipes, OURS } from "../support/direct-pipes.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Keeps outputs that somebody has who goes on; by their names those that are still read. */
class Keeping implements Disposable {
  readonly #kept: KeptOutputs;
  readonly #open = new Map<string, { readonly output: OutputReader; readonly writeFd: number }>();
  readonly #names: string[] = [];
  readonly lines: string[] = [];

  constructor(descriptors: number) {
    const write = (line: string) => void this.lines.push(line);
    const log = createLog({ level: "warn", format: "plain", reader: () => "other", write });
    this.#kept = new KeptOutputs(descriptors, log, new FakeClock());
  }

  /** As many as `times`, of this program. */
  add(times: number, program: string, uid = 1): void {
    const holder: OutputHolder = { uid, program };
    for (; times > 0; times--) {
      const { readFd, writeFd } = openPipe();
      const output = new OutputReader(
        readFd,
        OURS,
        directPipes(systemClock),
        { wantsLine: () => true, onLine: () => {} },
        systemClock,
      );
      const name = `${program}${this.#names.filter((each) => each.startsWith(program)).length + 1}`;
      this.#names.push(name);
      this.#open.set(name, { output, writeFd });
      void output.ended.then(() => this.#close(name));
      this.#kept.add(output, holder);
    }
  }

  /** Whoever has it lets go of it. */
  end(name: string): void {
    closeFd(this.#open.get(name)?.writeFd as number);
    this.#open.set(name, { ...(this.#open.get(name) as { output: OutputReader }), writeFd: -1 });
  }

  async isOpen(...names: readonly string[]): Promise<void> {
    const open = () => [...this.#open.keys()].join(" ");
    await waitUntil(`${names.join(" ")} are read`, () => open() === names.join(" "));
    await Bun.sleep(20);
    expect(open()).toBe(names.join(" "));
  }

  #close(name: string): void {
    const writeFd = this.#open.get(name)?.writeFd ?? -1;
    this.#open.delete(name);
    if (writeFd !== -1) closeFd(writeFd);
  }

  [Symbol.dispose](): void {
    for (const { writeFd } of this.#open.values()) if (writeFd !== -1) closeFd(writeFd);
    this.#open.clear();
  }
}

/** For four of them. */
const FOR_FOUR = 32;

describe("outputs that somebody has who goes on", () => {
  test("are bounded over all programs: who has most gives way with the oldest", async () => {
    using keeping = new Keeping(FOR_FOUR);
    keeping.add(1, "a");
    keeping.add(3, "b");
    await keeping.isOpen("a1", "b1", "b2", "b3");
    keeping.add(1, "c");
    await keeping.isOpen("a1", "b2", "b3", "c1");
    keeping.add(2, "b");
    await keeping.isOpen("a1", "c1", "b4", "b5");
  });

  test("of one user are not pushed out by the many programs of another", async () => {
    using keeping = new Keeping(FOR_FOUR);
    keeping.add(2, "a", 1);
    for (const program of ["b", "c", "d", "e"]) keeping.add(1, program, 2);
    await keeping.isOpen("a1", "a2", "d1", "e1");
  });

  test("of one program are 256 at the most, also when they come at once, and that is told", async () => {
    using keeping = new Keeping(100_000);
    keeping.add(258, "a");
    keeping.add(1, "b");
    const last = Array.from({ length: 256 }, (_, index) => `a${index + 3}`);
    await keeping.isOpen(...last, "b1");
    expect(keeping.lines.join()).toMatch(
      /^\S+ warn too many jobs were left that can still print: .* program=a times=1\n$/,
    );
  });

  test("count no more when they have ended", async () => {
    using keeping = new Keeping(FOR_FOUR);
    keeping.add(4, "a");
    keeping.end("a2");
    await keeping.isOpen("a1", "a3", "a4");
    keeping.add(1, "b");
    await keeping.isOpen("a1", "a3", "a4", "b1");
  });
});
