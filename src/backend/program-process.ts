import { FpmError } from "../base/errors.ts";
import { escapeControls } from "../base/escape-controls.ts";
import { closeFd, duplicate, hasDescriptors, openPipe, type Pipe } from "../base/libc.ts";
import { noDescriptors } from "../base/shortage.ts";
import { sendSignal } from "../base/signal.ts";
import { Timers } from "../base/timers.ts";
import { chainFailure, isComplaint, TOOL_NAMES, type ToolName } from "../start/chain.ts";
import type { Ending } from "../start/order.ts";
import { cannotStart, type Program, userOf } from "../start/program.ts";
import type { StartListener } from "../start/starter.ts";
import { type Exit, isKilledByOthers, type StopReason } from "./exit.ts";
import type { Requested } from "./in-flight.ts";
import type { BackendDeps } from "./lent-backend.ts";
import { OutputReader } from "./output.ts";
import type { OutputSink } from "./output-lines.ts";
import type { PipeHolder } from "./pipes.ts";
import { cpuUsageOf, isEnding, type Usage } from "./usage.ts";

/**
 * How often a program that did not leave on SIGTERM is nudged. One that sits in accept() is woken, and again, as its processes may be several; and
 * in these turns those that it has started are told, too.
 */
const NUDGE_EVERY_MS = 250;
const GROUP_TURNS: readonly number[] = [4, 8];
/** A process takes five descriptors, and while it starts six more, beside those of a file or a folder that is read. */
const START_DESCRIPTORS = 13;
/** What a process that works on one request prints on stderr may wait until it ends, or for so long. */
const ERRORS_AFTER_MS = 100;
const HELD_UP =
  "processes of it, or of its user, hold too many pipes that std-fpm cannot close: they copy (splice, sendfile) between these and what does not answer";
/** So long the end of a process waits for those that it has left its pipes to; what they print later is still logged. */
const OUTPUT_GRACE_MS = 200;

export interface ProcessOptions {
  /** Becomes its descriptor 0; a socket stays the caller's, the reading end of a pipe does not once it is started. */
  readonly stdinFd: number;
  /** Its stdout is its answer: see `stdoutFd`, and its stdin a pipe. Otherwise stdout is logged, and stdin is a socket. */
  readonly answersOnStdout: boolean;
  /** What the request adds to its environment, see StartOrder. */
  readonly request?: readonly string[];
  /** The request that it works on, where that is clear. */
  requestInFlight(): Requested | undefined;
  onStarted(): void;
  onStartFailed(error: FpmError): void;
  onExit(ending: Ending): void;
  /** A line on stderr. True when somebody else has taken it, and it is not to be logged. */
  onStderr?(line: string): boolean;
  /** Has it notice SIGTERM. */
  wake(): void;
}

/** A process of a program, from `start()` on to its end: what it prints is logged. Told to end by force, it ends with all that it has started. */
export class ProgramProcess implements StartListener {
  /** The last line it printed on stderr. */
  lastStderr = "";
  /** The first line it printed on stdout, where that is logged. */
  firstStdout = "";
  /** What a tool said that was to start the program: if it ends with that, the program has not begun. */
  complaint = "";
  /** Where its answer is read; the caller closes it. */
  readonly stdoutFd: number | undefined;
  /** Who has its pipes. */
  readonly holder: PipeHolder;
  readonly #program: Program;
  readonly #deps: BackendDeps;
  readonly #options: ProcessOptions;
  readonly #stdout: Pipe;
  readonly #stderr: Pipe;
  readonly #outputs: OutputReader[];
  readonly #timers: Timers<"nudge" | "kill">;
  readonly #finished = Promise.withResolvers<void>();
  #pid = 0;
  /** Those that were put in front of it; of none, what it prints is its own, from the first line on. */
  #tools: readonly ToolName[] = TOOL_NAMES;
  #phase: "ordered" | "running" | "ended" = "ordered";
  /** What it worked on when it ended: what it printed last is of that. */
  #lastRequest: Requested | undefined;
  /** It was killed: what it has started goes with it. */
  #isForced = false;

  /** @throws FpmError SYSTEM_CALL, NO_DESCRIPTORS. */
  constructor(program: Program, deps: BackendDeps, options: ProcessOptions) {
    this.#program = program;
    this.#deps = deps;
    this.#options = options;
    this.#timers = new Timers(deps.clock);
    deps.memoryKiller.watch(program.app.cgroup);
    if (!hasDescriptors(START_DESCRIPTORS)) throw noDescriptors(`${program.name} cannot be started`);
    this.holder = { key: program.key, owner: userOf(program), uid: undefined };
    [this.#stdout, this.#stderr] = openPipes();
    if (options.answersOnStdout) {
      this.stdoutFd = this.#stdout.readFd;
      this.#outputs = [this.#readerOf("stderr", this.#stderr, ERRORS_AFTER_MS)];
    } else this.#outputs = [this.#readerOf("stderr", this.#stderr), this.#readerOf("stdout", this.#stdout)];
  }

  /** Has it started: whoever has its pipes shares them from now on, and what becomes its descriptors is the starter's. */
  start(): void {
    const { starter, instance, clock } = this.#deps;
    const { stdinFd, answersOnStdout, request } = this.#options;
    const [stdout, stderr] = [this.#stdout.writeFd, this.#stderr.writeFd];
    try {
      if (!this.#deps.pipes.admits(this.holder)) throw cannotStart(this.#program, HELD_UP);
      const stdin = answersOnStdout ? stdinFd : duplicate(stdinFd);
      starter.start({ program: this.#program, stdio: [stdin, stdout, stderr], request, instance }, this);
    } catch (error) {
      if (!(error instanceof FpmError)) throw error;
      // Nobody else will ever have its pipes.
      this.holder.uid = process.geteuid?.();
      for (const fd of answersOnStdout ? [stdinFd, stdout, stderr] : [stdout, stderr]) closeFd(fd);
      clock.after(0, () => this.onStartFailed(error));
    }
  }

  /** 0 until it has started. */
  get pid(): number {
    return this.#pid;
  }

  /** Whom it was started as; 0 before. */
  get uid(): number {
    return this.holder.uid ?? 0;
  }

  /** Whether something of its group may be left, now that it has ended. */
  get hasGroup(): boolean {
    return sendSignal(-this.#pid, 0);
  }

  /** Whether it has ended, or is about to, or never began. */
  get isEnding(): boolean {
    return this.#phase === "running" ? isEnding(this.#pid) : true;
  }

  /** What it has used of the CPU; undefined when it has gone, or has not begun. */
  get usage(): Usage | undefined {
    return this.#pid === 0 ? undefined : cpuUsageOf(this.#pid);
  }

  /** What is known of its end beside the reason that we had for it. */
  exitOf({ code, signal: by }: Ending, reason: StopReason | undefined): Omit<Exit, "wasStarted"> {
    const isOthers = isKilledByOthers({ signal: by, reason });
    const { memoryKiller } = this.#deps;
    const { cgroup, limits } = this.#program.app;
    return {
      code,
      signal: by,
      reason,
      memoryKiller: isOthers ? memoryKiller.moved(cgroup) : undefined,
      hasCpuLimit: limits.cpu !== undefined,
    };
  }

  /** Settles when it has ended and everything it printed was logged, or somebody goes on who has its pipes. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  onStarted(pid: number, uid: number, tools: readonly ToolName[]): void {
    this.#pid = pid;
    this.holder.uid = uid;
    this.#tools = tools;
    this.#phase = "running";
    if (this.#isForced) this.kill();
    this.#options.onStarted();
  }

  onStartFailed(error: FpmError): void {
    this.#phase = "ended";
    this.#options.onStartFailed(error);
    void this.#finishOutput();
  }

  onExit(ending: Ending): void {
    this.#lastRequest = this.#options.requestInFlight();
    this.#phase = "ended";
    // What it has started on purpose goes on, also after a crash, or SIGPIPE as its client has left; not where it was killed.
    if (this.#isForced || ending.signal === "SIGKILL") sendSignal(-this.#pid, "SIGKILL");
    this.#timers.cancelAll();
    const isOfTool =
      isComplaint(this.complaint, this.#tools) && chainFailure(this.complaint, ending.code) !== undefined;
    if (this.complaint !== "" && !isOfTool) {
      this.#print("stderr", this.complaint);
      this.complaint = "";
    }
    this.#options.onExit(ending);
    void this.#finishOutput();
  }

  /**
   * SIGTERM, then a nudge from time to time, SIGKILL to all of it after `stopTimeoutMs`. Told once more, it gets no more time. Only the process that we
   * have started is told at first: one that has started others ends them itself, and may lose count when all end at once.
   */
  end(stopTimeoutMs: number): void {
    if (this.#phase === "ordered") {
      this.kill();
      return;
    }
    this.#signal("SIGTERM");
    // One that was stopped (SIGSTOP) cannot obey.
    if (this.#phase === "running") sendSignal(-this.#pid, "SIGCONT");
    if (this.#timers.has("kill")) return;
    this.#nudge(1, Math.min(NUDGE_EVERY_MS, stopTimeoutMs / 4));
    this.#timers.set("kill", stopTimeoutMs, () => this.kill());
  }

  /** SIGKILL to all of it, as soon as it has begun. */
  kill(): void {
    this.#isForced = true;
    if (this.#phase === "running") sendSignal(-this.#pid, "SIGKILL");
  }

  #signal(name: NodeJS.Signals): void {
    if (this.#phase === "running") sendSignal(this.#pid, name);
  }

  /** Never both at once: a process that handles the one may miss the other. */
  #nudge(turn: number, everyMs: number): void {
    this.#timers.set("nudge", everyMs, () => {
      if (GROUP_TURNS.includes(turn)) sendSignal(-this.#pid, "SIGTERM");
      else this.#options.wake();
      this.#nudge(turn + 1, everyMs);
    });
  }

  async #finishOutput(): Promise<void> {
    for (const output of this.#outputs) output.onWriterEnded();
    const timer = this.#deps.clock.after(OUTPUT_GRACE_MS, () => {
      const holder = { uid: this.uid, program: this.#program.key };
      for (const output of this.#outputs) this.#deps.keptOutputs.add(output, holder);
      this.#finished.resolve();
    });
    await Promise.all(this.#outputs.map((output) => output.ended));
    timer.cancel();
    this.#finished.resolve();
  }

  #readerOf(stream: "stdout" | "stderr", { readFd }: Pipe, oldAfterMs = 0): OutputReader {
    const { pipes, clock } = this.#deps;
    return new OutputReader(readFd, this.holder, pipes, this.#sinkOf(stream), clock, oldAfterMs);
  }

  #sinkOf(stream: "stdout" | "stderr"): OutputSink {
    return {
      wantsLine: () => this.#deps.outputLimit.take(this.#program),
      onLine: (line) => this.#onLine(stream, line),
      onDropped: (lines) => this.#deps.outputLimit.drop(this.#program, lines),
    };
  }

  #onLine(stream: "stdout" | "stderr", line: string): void {
    // The log has several characters for a control character.
    this.#deps.outputLimit.charge(this.#program, escapeControls(line).length);
    if (stream === "stderr" && this.lastStderr === "" && isComplaint(line, this.#tools)) {
      this.complaint = line;
      return;
    }
    if (stream === "stderr" && line !== "") this.lastStderr = line;
    if (stream === "stdout") this.firstStdout ||= line;
    if (stream === "stderr" && this.#options.onStderr?.(line)) return;
    this.#print(stream, line);
  }

  #print(stream: "stdout" | "stderr", line: string): void {
    const { name } = this.#program;
    const requested = this.#phase === "ended" ? this.#lastRequest : this.#options.requestInFlight();
    const fields = { program: name, pid: this.pid, stream, request: requested?.head.label };
    const named = requested && this.#deps.naming.fields(requested.head, requested.script, name);
    this.#deps.log.warn(line, { ...fields, ...named });
  }
}

function openPipes(): [Pipe, Pipe] {
  const stdout = openPipe();
  try {
    return [stdout, openPipe()];
  } catch (error) {
    closeFd(stdout.readFd);
    closeFd(stdout.writeFd);
    throw error;
  }
}
