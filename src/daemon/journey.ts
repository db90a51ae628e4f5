import type { Lease } from "../backend/lease.ts";
import type { AnswerWatch } from "../relay/answer-watch.ts";
import type { ClientStream } from "../relay/client-stream.ts";
import type { Route } from "../route/router.ts";
import type { StageTimes } from "../slow/slow-report.ts";

/** What a request is at: see StageTimes. */
export type Stage = Exclude<keyof StageTimes, "boot">;

/** How far a request has come, and when: what is told of it while it goes on and when it is over. */
export class Journey {
  readonly client: ClientStream;
  readonly startedAt: number;
  /** Sees what a program answers; undefined where nobody wants to know. */
  readonly answer: AnswerWatch | undefined;
  /** Undefined until the program is known. */
  route: Route | undefined;
  /** Of the process that it was lent last. */
  lease: Lease | undefined;
  /** How many requests wait before it, while it waits itself. */
  ahead: (() => number) | undefined;
  /** CPU time that this process had used before, where that is wanted. */
  cpuBeforeMs: number | undefined;
  #stage: Stage = "route";
  #stageSince: number;
  readonly #times = { route: 0, body: 0, queue: 0, boot: 0, program: 0 };

  constructor(client: ClientStream, startedAt: number, answer: AnswerWatch | undefined) {
    this.client = client;
    this.startedAt = startedAt;
    this.#stageSince = startedAt;
    this.answer = answer;
  }

  get stage(): Stage {
    return this.#stage;
  }

  /** Its body is taken before a process is asked for. */
  receive(now: number): void {
    this.#enter("body", now);
  }

  /** It waits for a process. */
  wait(now: number): void {
    this.#enter("queue", now);
    this.lease = undefined;
  }

  /** It is lent a process, or waits no more. */
  go(lease: Lease | undefined, now: number): void {
    const waitingSince = this.#stageSince;
    this.#enter("program", now);
    this.lease = lease;
    if (!lease) return;
    lease.head = this.client.head;
    if (lease.backend.served > 0) return;
    // It was the first to get this process: what it waited while that started was no queue.
    const bootMs = Math.max(0, now - Math.max(waitingSince, lease.backend.startedAt));
    this.#times.queue -= bootMs;
    this.#times.boot += bootMs;
  }

  /** How long it has waited for processes, altogether. */
  waitedMs(now: number): number {
    const { queue, boot } = this.timesAt(now);
    return queue + boot;
  }

  timesAt(now: number): StageTimes {
    const times = { ...this.#times };
    times[this.#stage] += now - this.#stageSince;
    return times;
  }

  #enter(stage: Stage, now: number): void {
    this.#times[this.#stage] += now - this.#stageSince;
    this.#stage = stage;
    this.#stageSince = now;
  }
}
