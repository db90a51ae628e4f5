/** Does what a signal does, and tells the service manager of it: for those who ask by another way than a signal. */
export interface Operator {
  stop(reason: string): void;
  reload(): Promise<void>;
  /** Settles with the pid of the process that goes on; undefined: this one does. */
  handOver(): Promise<number | undefined>;
}
