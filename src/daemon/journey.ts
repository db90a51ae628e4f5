import type { Lease } from "../backend/backend.ts";
import type { Linked } from "../base/linked-list.ts";
import type { AnswerHead } from "../relay/answer-head.ts";
import type { ClientStream } from "../relay/client-stream.ts";
import type { Route } from "../route/path-router.ts";
import type { StageTimes } from "../slow/slow-report.ts";

/** What a request is at: see StageTimes. */
export type Stage = Exclude<keyof StageTimes, "boot">;

/** A request that waits for a process. */
export interface Queued {
  /** How many wait before it. */
  readonly ahead: number;
}

/** How far a request has come, and when: what is told of it while it goes on and when it is over. */
export class Journey implements Linked<Journey> {
  previous: Journey | undefined = undefined;
  next: Journey | undefined = undefined;
  readonly client: ClientStream;
  readonly startedAt: number;
  /** Whether the access log gets a line of it. */
  readonly isLogged: boolean;
  /** What the process answers that it was lent last. */
  answer: AnswerHead | undefined;
  /** Undefined until the program is known. */
  route: Route | undefined;
  /** Of the process that it was lent last. */
  lease: Lease | undefined;
  /** Knows how many requests wait before it, while it waits itself. */
  queued: Queued | undefined;
  /** CPU time that this process had used before, where that is wanted. */
  cpuBeforeMs: number | undefined;
  #stage: Stage = "route";
  #stageSince: number;
  /** How long the stages took that are over. */
  #routeMs = 0;
  #bodyMs = 0;
  #queueMs = 0;
  #bootMs = 0;
  #programMs = 0;

  constructor(client: ClientStream, startedAt: number, isLogged: boolean) {
    this.client = client;
    this.startedAt = startedAt;
    this.#stageSince = startedAt;
    this.isLogged = isLogged;
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
    lease.script = this.route?.script;
    if (lease.backend.served > 0) return;
    // It was the first to get this process: what it waited while that started was no queue.
    const bootMs = Math.max(0, now - Math.max(waitingSince, lease.backend.startedAt));
    this.#queueMs -= bootMs;
    this.#bootMs += bootMs;
  }

  /** How long it has waited for processes, altogether. */
  waitedMs(now: number): number {
    const { queue, boot } = this.timesAt(now);
    return queue + boot;
  }

  timesAt(now: number): StageTimes {
    const times = {
      route: this.#routeMs,
      body: this.#bodyMs,
      queue: this.#queueMs,
      boot: this.#bootMs,
      program: this.#programMs,
    };
    times[this.#stage] += now - this.#stageSince;
    return times;
  }

  #enter(stage: Stage, now: number): void {
    const tookMs = now - this.#stageSince;
    switch (this.#stage) {
      case "route":
        this.#routeMs += tookMs;
        break;
      case "body":
        this.#bodyMs += tookMs;
        break;
      case "queue":
        this.#queueMs += tookMs;
        break;
      case "program":
        this.#programMs += tookMs;
        break;
    }
    this.#stage = stage;
    this.#stageSince = now;
  }
}
