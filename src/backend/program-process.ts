import type { Subprocess } from "bun";
import { Timers } from "../base/timers.ts";
import type { RequestHead } from "../fcgi/head.ts";
import type { BackendDeps } from "./backend.ts";
import { OutputReader, type OutputSink } from "./output.ts";
import type { Program } from "./program.ts";
import { type Environment, INSTANCE_VARIABLE, spawnProgram } from "./spawn.ts";
import { cpuUsageOf, type Usage } from "./usage.ts";

/**
 * How often a program that did not leave on SIGTERM is nudged. One that sits in accept() is woken, and again, as its processes may be several; and
 * in these turns those that it has started are told, too.
 */
const NUDGE_EVERY_MS = 250;
const GROUP_TURNS: readonly number[] = [4, 8];
/** How long descendants may go on printing into the pipes of a program that has ended. */
const OUTPUT_GRACE_MS = 200;

export interface ProcessOptions {
  /** Becomes its descriptor 0; stays the caller's. */
  readonly stdinFd: number;
  /** Its stdout is its answer: see `stdoutFd`. Otherwise it is logged. */
  readonly answersOnStdout: boolean;
  /** What the request adds to its environment. */
  readonly request?: Environment;
  /** The request that it works on, where that is clear. */
  requestInFlight(): RequestHead | undefined;
  /** The process has ended, what it left behind in its group was killed. */
  onExit(): void;
  /** Has it notice SIGTERM. */
  wake(): void;
}

/** A process of a program and all that it has started: what it prints is logged, and it ends as a whole. */
export class ProgramProcess {
  /** The last line it printed on stderr. */
  lastStderr = "";
  /** The first line it printed on stdout, where that is logged. */
  firstStdout = "";
  /** Where its answer is read; the caller closes it. */
  readonly stdoutFd: number | undefined;
  readonly #program: Program;
  readonly #deps: BackendDeps;
  readonly #options: ProcessOptions;
  readonly #process: Subprocess;
  readonly #outputs: OutputReader[];
  readonly #timers: Timers<"nudge" | "kill">;
  readonly #finished = Promise.withResolvers<void>();

  /** @throws FpmError SPAWN_FAILED. */
  constructor(program: Program, deps: BackendDeps, options: ProcessOptions) {
    this.#program = program;
    this.#deps = deps;
    this.#options = options;
    this.#timers = new Timers(deps.clock);
    const { stdinFd, answersOnStdout, request = {} } = options;
    const variables = { request, own: { [INSTANCE_VARIABLE]: deps.instance } };
    const spawned = spawnProgram(program, stdinFd, variables, () => this.#onExit());
    this.#process = spawned.process;
    this.#outputs = [new OutputReader(spawned.stderrFd, this.#sinkOf("stderr"))];
    if (answersOnStdout) this.stdoutFd = spawned.stdoutFd;
    else this.#outputs.push(new OutputReader(spawned.stdoutFd, this.#sinkOf("stdout")));
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** What it has used of the CPU; undefined when it has gone. */
  get usage(): Usage | undefined {
    return cpuUsageOf(this.pid);
  }

  get exitCode(): number | null {
    return this.#process.exitCode;
  }

  get signalCode(): string | number | null {
    return this.#process.signalCode;
  }

  /** Settles when it has ended and everything it printed was logged. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /**
   * SIGTERM, then a nudge from time to time, SIGKILL to all of it after `stopTimeoutMs`. Told once more, it gets no more time. Only the process that we
   * have started is told at first: one that has started others ends them itself, and may lose count when all end at once.
   */
  end(stopTimeoutMs: number): void {
    signal(this.pid, "SIGTERM");
    if (this.#timers.has("kill")) return;
    this.#nudge(1, Math.min(NUDGE_EVERY_MS, stopTimeoutMs / 4));
    this.#timers.set("kill", stopTimeoutMs, () => this.kill());
  }

  /** SIGKILL to all of it. */
  kill(): void {
    signal(-this.pid, "SIGKILL");
  }

  /** Never both at once: a process that handles the one may miss the other. */
  #nudge(turn: number, everyMs: number): void {
    this.#timers.set("nudge", everyMs, () => {
      if (GROUP_TURNS.includes(turn)) signal(-this.pid, "SIGTERM");
      else this.#options.wake();
      this.#nudge(turn + 1, everyMs);
    });
  }

  #onExit(): void {
    this.kill();
    this.#timers.cancelAll();
    this.#options.onExit();
    void this.#finishOutput();
  }

  async #finishOutput(): Promise<void> {
    const timer = this.#deps.clock.after(OUTPUT_GRACE_MS, () => {
      for (const output of this.#outputs) output.cancel();
    });
    await Promise.all(this.#outputs.map((output) => output.ended));
    timer.cancel();
    this.#finished.resolve();
  }

  #sinkOf(stream: "stdout" | "stderr"): OutputSink {
    return {
      wantsLine: () => this.#deps.outputLimit.take(this.#program),
      onLine: (line) => this.#onLine(stream, line),
      onDropped: (lines) => this.#deps.outputLimit.drop(this.#program, lines),
    };
  }

  #onLine(stream: "stdout" | "stderr", line: string): void {
    this.#deps.outputLimit.charge(this.#program, line.length);
    if (stream === "stderr" && line !== "") this.lastStderr = line;
    if (stream === "stdout") this.firstStdout ||= line;
    const request = this.#options.requestInFlight()?.label;
    this.#deps.log.warn(line, { program: this.#program.name, pid: this.pid, stream, request });
  }
}

/** To a process, or with a negative number to its group. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // ESRCH: it has ended already.
  }
}
