import type { Lease } from "../backend/lease.ts";
import type { AnswerWatch } from "../relay/answer-watch.ts";
import type { ClientStream } from "../relay/client-stream.ts";
import type { Route } from "../route/router.ts";

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
  /** CPU time that this process had used before, where that is wanted. */
  cpuBeforeMs: number | undefined;
  #waitedMs = 0;
  #waitingSince: number | undefined;

  constructor(client: ClientStream, startedAt: number, answer: AnswerWatch | undefined) {
    this.client = client;
    this.startedAt = startedAt;
    this.answer = answer;
  }

  /** It waits for a process. */
  wait(now: number): void {
    this.#waitingSince = now;
    this.lease = undefined;
  }

  /** It is lent a process, or waits no more. */
  go(lease: Lease | undefined, now: number): void {
    this.#waitedMs = this.waitedMs(now);
    this.#waitingSince = undefined;
    this.lease = lease;
    if (lease) lease.head = this.client.head;
  }

  /** How long it has waited for processes, altogether. */
  waitedMs(now: number): number {
    return this.#waitedMs + (this.#waitingSince === undefined ? 0 : now - this.#waitingSince);
  }
}
