/** Does what a signal does, and tells the service manager of it: for those who ask by another way than a signal. */
export interface Operator {
  /** Whether the start is not over: a stop happens after it then, a reload and a hand-over not at all. */
  readonly isStarting: boolean;
  stop(reason: string): void;
  reload(): Promise<void>;
  /** Settles with the pid of the process that goes on; undefined: this one does. */
  handOver(): Promise<number | undefined>;
}
