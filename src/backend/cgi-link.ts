import { tellBug } from "../base/bug.ts";
import type { ByteBudget } from "../base/byte-budget.ts";
import type { Clock } from "../base/clock.ts";
import type { FpmError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { Decoder, type RecordSink } from "../fcgi/decoder.ts";
import { encodeEndRequest, encodeStream } from "../fcgi/encoder.ts";
import { FCGI_REQUEST_COMPLETE, FCGI_STDERR, FCGI_STDOUT } from "../fcgi/protocol.ts";
import type { Ending } from "../start/order.ts";
import { CgiHead } from "./cgi-head.ts";
import { CgiInput } from "./cgi-input.ts";
import type { Conduct } from "./conduct.ts";
import type { Link, LinkUser } from "./link.ts";
import { PipeReader, ReadTurns } from "./pipe-reader.ts";
import type { PipeCalls, PipeHolder } from "./pipes.ts";

/** How a CGI process ended, and why if that is known, or why it never began. */
export type CgiExit = (Ending & { readonly why?: string }) | { readonly failure: FpmError };

/** The pipes of a CGI process, and what it tells of itself. */
export interface CgiPipes {
  readonly stdinFd: number;
  readonly stdoutFd: number;
  readonly holder: PipeHolder;
  readonly calls: PipeCalls;
  /** Settles when it is known that the process has begun, or that none has: a thread starts it, and what it prints may be heard of sooner. */
  readonly begun: Promise<void>;
  /** Settles when the process has ended; asked when all of its output was read, if there was any. */
  ending(hasOutput: boolean): Promise<CgiExit>;
  /** Whether it has ended, or is about to; once it has begun. */
  isEnding(): boolean;
  /** What was learned of its program. */
  readonly conduct: Conduct;
  readonly clock: Clock;
  readonly log: Log;
  readonly buffers: ByteBudget;
}

const NOTHING = new Uint8Array(0);
/** Of a process that has closed its output. */
const WORKS_ON: CgiExit = { code: 0, signal: null };
/** So soon after its output one ends that has failed: env(1) and others close theirs by themselves, before they end. */
const MOMENT_MS = 100;

/**
 * A CGI process with the face of a FastCGI program (RFC 3875): the content of STDIN records goes into its stdin, what it
 * prints comes back as STDOUT records, its end as END_REQUEST with its exit status.
 */
export class CgiLink implements Link {
  readonly #requestId: number;
  readonly #pipes: CgiPipes;
  readonly #input: CgiInput;
  readonly #stdout: PipeReader;
  #user: LinkUser | undefined;
  #isOpen = true;
  /** Settles when the output is wanted again. */
  #resumed: PromiseWithResolvers<void> | undefined;
  readonly #head = new CgiHead();
  readonly #startedAt: number;
  #outputBytes = 0;
  /** It waits for more output: nothing is left in the pipe. */
  #isReading = false;
  /** The last of its output, which goes out together with its end: the web server is woken once. */
  #last: Uint8Array = NOTHING;

  constructor(requestId: number, pipes: CgiPipes) {
    this.#requestId = requestId;
    this.#pipes = pipes;
    const { stdinFd, stdoutFd, holder, calls, buffers, clock, conduct } = pipes;
    this.#input = new CgiInput(stdinFd, holder, calls, buffers, clock, () => this.#user?.onLinkDrain());
    this.#stdout = new PipeReader(stdoutFd, holder, calls, clock, conduct.awaitEndMs);
    this.#startedAt = clock.now();
    void this.#relayOutput().finally(() => this.#stdout.close());
  }

  get requestId(): number {
    return this.#requestId;
  }

  isStale(): boolean {
    return false;
  }

  get isAllRead(): boolean {
    return !this.isWaiting;
  }

  /** What has come of its output. */
  get outputBytes(): number {
    return this.#outputBytes;
  }

  /** Whether the program has printed something. */
  get hasOutput(): boolean {
    return this.#head.hasBegun;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isPaused(): boolean {
    return this.#resumed !== undefined;
  }

  get isReusable(): boolean {
    return false;
  }

  get isCongested(): boolean {
    return this.#input.isCongested;
  }

  get isWaiting(): boolean {
    return this.#input.waiting > 0;
  }

  /** It carries one request. */
  decoderFor(sink: RecordSink): Decoder {
    return new Decoder(sink);
  }

  use(user: LinkUser | undefined): void {
    this.#user = user;
    this.resume();
  }

  write(chunk: Uint8Array, start: number, end: number): void {
    if (this.#isOpen) this.#input.write(chunk, start, end);
  }

  /** Its process is to be started now. */
  share(): void {
    this.#input.share();
  }

  /** No body comes: an authorizer gets none (specification §6.3), whatever its client sends. */
  endInput(): void {
    this.#input.end();
  }

  /** Whoever has the rest of the body may go on to send it, also when the link is closed; undefined where nobody reads it. */
  outlive(): CgiInput | undefined {
    if (!this.#isOpen || this.#input.isClosed) return undefined;
    this.#input.outlive();
    return this.#input;
  }

  spoil(): void {}

  probe(): void {}

  pause(): void {
    this.#resumed ??= Promise.withResolvers();
  }

  resume(): void {
    this.#resumed?.resolve();
    this.#resumed = undefined;
  }

  close(): void {
    this.#isOpen = false;
    this.#user = undefined;
    this.resume();
    // Otherwise somebody else sees to what is left of the body.
    if (!this.#input.isOutlived) this.#input.leave();
    this.#stdout.cancel();
  }

  onClosed(reason: string | undefined): void {
    if (!this.#isOpen) return;
    const user = this.#user;
    this.close();
    user?.onLinkClosed(reason);
  }

  /** No program has begun with the request, and none will. */
  onStartFailed(error: FpmError): void {
    const user = this.#user;
    this.close();
    user?.onLinkFailed(error);
  }

  /** A line that the program has printed on stderr, for the web server. False when nobody takes it: any more, or as long as too much waits for it. */
  printError(line: string): boolean {
    if (!this.#isOpen || !this.#user || this.isPaused) return false;
    this.#user.onLinkData(encodeStream(FCGI_STDERR, this.#requestId, Buffer.from(`${line}\n`), false));
    return true;
  }

  /** Its process has ended; told also of one that was closed before. */
  onProcessEnded(): void {
    this.#stdout.onWriterEnded();
    this.#input.onProcessEnded();
  }

  /** Its process has ended: if all it printed was read, the output has come to its end, whoever else may hold the pipe. False: more of it is there. */
  endIfRead(): boolean {
    const isRead = this.#isReading && this.#stdout.isEmpty;
    if (isRead) this.#stdout.cancel();
    return isRead;
  }

  async #relayOutput(): Promise<void> {
    try {
      await this.#readOutput();
      if (this.#isOpen) await this.#pipes.begun;
      // Nobody waits for its end: its output is closed at once, also before it has begun, so that it can hear of that.
      if (!this.#isOpen) return;
      this.#pipes.conduct.onRan(this.#pipes.clock.now() - this.#startedAt, this.#outputBytes);
      this.#onEnd(await this.#ending());
    } catch (error) {
      tellBug(this.#pipes.log, error);
      this.onClosed("a bug in std-fpm");
    }
  }

  /** What goes on without its output has nothing more to say; one that has said nothing is about to end, and to say why by that. */
  #ending(): Promise<CgiExit> | CgiExit {
    const { clock, isEnding, ending } = this.#pipes;
    const { hasOutput } = this;
    if (isEnding()) return ending(hasOutput);
    if (hasOutput) return WORKS_ON;
    return new Promise((resolve, reject) => {
      // Why it has ended may take longer to be known.
      const timer = clock.after(MOMENT_MS, () => {
        if (!isEnding()) resolve(WORKS_ON);
      });
      ending(hasOutput)
        .finally(() => timer.cancel())
        .then(resolve, reject);
    });
  }

  async #readOutput(): Promise<void> {
    const turns = new ReadTurns();
    for (;;) {
      if (this.#resumed) await this.#resumed.promise;
      this.#isReading = true;
      const { done, value, isLast } = await this.#stdout.read();
      this.#isReading = false;
      if (done || !this.#isOpen) return;
      this.#onOutput(value, isLast);
      if (isLast) return;
      if (turns.isOver(value.length)) await turns.next();
    }
  }

  #onOutput(bytes: Uint8Array, isLast: boolean): void {
    this.#outputBytes += bytes.length;
    const output = this.#head.isComplete ? bytes : this.#head.push(bytes);
    if (this.#head.problem !== undefined) this.#fail(this.#head.problem);
    else if (output && isLast) this.#last = output;
    else if (output) this.#passOn(output);
  }

  #passOn(output: Uint8Array): void {
    this.#user?.onLinkData(encodeStream(FCGI_STDOUT, this.#requestId, output, false));
  }

  #onEnd(exit: CgiExit): void {
    if (!this.#isOpen) return;
    if ("failure" in exit) {
      this.onStartFailed(exit.failure);
      return;
    }
    const { code, signal } = exit;
    // Where a signal has ended it before anything came, it may be asked once more.
    if (!this.#head.isComplete && (signal === null || this.hasOutput))
      this.#fail(`${howItEnded(exit)} and ${this.#head.problemAtEnd}${exit.why ? `: ${exit.why}` : ""}`);
    else if (signal !== null) {
      if (this.#last.length > 0) this.#passOn(this.#last);
      this.onClosed(howItEnded(exit));
    } else {
      const closing = encodeStream(FCGI_STDOUT, this.#requestId, this.#last, true);
      const end = encodeEndRequest(this.#requestId, code ?? 0, FCGI_REQUEST_COMPLETE);
      this.#user?.onLinkData(Buffer.concat([closing, end]));
    }
  }

  /** What it said is its answer, and is none. */
  #fail(problem: string): void {
    const user = this.#user;
    this.close();
    user?.onLinkUnanswered(problem);
  }
}

function howItEnded(exit: Exclude<CgiExit, { failure: FpmError }>): string {
  if (exit === WORKS_ON) return "closed its output";
  return exit.signal === null ? `exited with status ${exit.code}` : `ended by ${exit.signal}`;
}
