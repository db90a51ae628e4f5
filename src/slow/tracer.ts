import type { Subprocess } from "bun";
import { OutputReader } from "../backend/output.ts";
import type { OutputSink } from "../backend/output-lines.ts";
import type { PipeCalls } from "../backend/pipes.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { closeFd, openPipe } from "../base/libc.ts";
import type { Log } from "../base/log.ts";
import { sendSignal } from "../base/signal.ts";
import { INSTANCE_VARIABLE } from "../start/instance-variable.ts";
import type { Reaper } from "../start/reaper.ts";

export interface TracerDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Marks every child of this daemon. */
  readonly instance: string;
  /** Knows that Bun waits for it. */
  readonly reaper: Pick<Reaper, "leave">;
  readonly pipes: PipeCalls;
}

/** The request whose process is traced. */
export interface Traced {
  readonly pid: number;
  readonly program: string;
  /** Method and path. */
  readonly request: string;
}

/** How long a tracer may take. */
const TIMEOUT_MS = 10_000;
/** One program is not traced again before: a tracer stops what it looks at. */
const PAUSE_MS = 10_000;
const MOST_LINES = 500;
const MOST_CHARACTERS = 64 * 1024;
/** How long descendants may go on printing when it has ended. */
const OUTPUT_GRACE_MS = 200;
const ENVIRONMENT = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" };

/** Runs the operator's own tracer on processes: one at a time, seldom, and not for long. What it prints is logged. */
export class Tracer {
  readonly #deps: TracerDeps;
  #command: readonly string[] = [];
  #atWork: Run | undefined;
  /** When a program was traced last, as long as that matters. */
  readonly #tracedAt = new Map<string, number>();
  #skipped = 0;
  #report: Timer | undefined;

  constructor(deps: TracerDeps) {
    this.#deps = deps;
  }

  /** Empty: none. */
  set command(command: readonly string[]) {
    this.#command = command;
  }

  /** Runs it, unless it is at work or the program was traced a moment ago: that is counted. Never throws. */
  trace(traced: Traced): void {
    if (this.#command.length === 0) return;
    const now = this.#deps.clock.now();
    for (const [program, at] of this.#tracedAt) if (now - at >= PAUSE_MS) this.#tracedAt.delete(program);
    if (this.#atWork || this.#tracedAt.has(traced.program)) {
      this.#skipped++;
      this.#report ??= this.#deps.clock.after(PAUSE_MS, () => this.#tellSkipped());
      return;
    }
    this.#tracedAt.set(traced.program, now);
    const words = this.#command.map((word) => word.replaceAll("{pid}", String(traced.pid)));
    const run = Run.start(words, traced, this.#deps);
    this.#atWork = run;
    void run?.ended.then(() => {
      this.#atWork = undefined;
    });
  }

  /** Ends one that is at work; settles when it has gone. */
  async close(): Promise<void> {
    this.#command = [];
    this.#report?.cancel();
    if (this.#report) this.#tellSkipped();
    this.#atWork?.kill("std-fpm stops");
    await this.#atWork?.ended;
  }

  #tellSkipped(): void {
    this.#report = undefined;
    const skipped = this.#skipped;
    this.#skipped = 0;
    const why = "only one is traced at a time, and of one program one in 10 s";
    this.#deps.log.warn(`${skipped} slow requests were not traced: ${why}`, { skipped });
  }
}

/** A tracer at work. */
class Run implements OutputSink {
  readonly ended: Promise<void>;
  readonly #deps: TracerDeps;
  readonly #traced: Traced;
  readonly #process: Subprocess;
  readonly #output: OutputReader;
  readonly #exited = Promise.withResolvers<void>();
  readonly #timeout: Timer;
  #lines = 0;
  #characters = 0;
  #killedBecause: string | undefined;

  /** undefined when it cannot be started, which is logged. */
  static start(words: readonly string[], traced: Traced, deps: TracerDeps): Run | undefined {
    try {
      return new Run(words, traced, deps);
    } catch (error) {
      deps.log.error(`the tracer cannot be started: ${messageOf(error)}`, { command: words[0] });
      return undefined;
    }
  }

  private constructor(words: readonly string[], traced: Traced, deps: TracerDeps) {
    this.#deps = deps;
    this.#traced = traced;
    const pipe = openPipe();
    try {
      this.#process = Bun.spawn([...words], {
        cwd: "/",
        env: { ...ENVIRONMENT, [INSTANCE_VARIABLE]: deps.instance },
        stdio: ["ignore", pipe.writeFd, pipe.writeFd],
        detached: true,
        onExit: () => this.#exited.resolve(),
      });
      deps.reaper.leave(this.#process);
    } catch (error) {
      closeFd(pipe.readFd);
      throw error;
    } finally {
      closeFd(pipe.writeFd);
    }
    const holder = { key: "a tracer", owner: "", uid: process.geteuid?.() };
    this.#output = new OutputReader(pipe.readFd, holder, deps.pipes, this, deps.clock);
    this.#timeout = deps.clock.after(TIMEOUT_MS, () =>
      this.kill(`it took longer than ${TIMEOUT_MS / 1000} s`),
    );
    this.ended = this.#finish();
  }

  kill(why: string): void {
    this.#killedBecause ??= why;
    sendSignal(-this.#process.pid, "SIGKILL");
  }

  wantsLine(): boolean {
    return this.#killedBecause === undefined;
  }

  onLine(line: string): void {
    this.#lines++;
    this.#characters += line.length + 1;
    if (this.#lines > MOST_LINES || this.#characters > MOST_CHARACTERS) {
      this.kill(`it printed more than ${MOST_LINES} lines or ${MOST_CHARACTERS / 1024} KiB`);
    } else this.#deps.log.warn(line, { ...this.#traced, stream: "tracer" });
  }

  async #finish(): Promise<void> {
    await this.#exited.promise;
    this.#timeout.cancel();
    const { exitCode, signalCode } = this.#process;
    const why = this.#killedBecause;
    // What it has left in its group.
    sendSignal(-this.#process.pid, "SIGKILL");
    const grace = this.#deps.clock.after(OUTPUT_GRACE_MS, () => this.#output.cancel());
    await this.#output.ended;
    grace.cancel();
    if (why !== undefined) this.#deps.log.warn(`the tracer was killed: ${why}`, { ...this.#traced });
    else if (exitCode !== 0)
      this.#deps.log.warn(`the tracer ended with ${signalCode ?? `status ${exitCode}`}`, { ...this.#traced });
  }
}
