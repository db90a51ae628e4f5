/** A thread as /proc shows it. */
export interface ThreadFacts {
  readonly tid: number;
  /** A letter: R, S, D, T, … (proc(5)). */
  readonly state: string;
  /** The function of the kernel that it sleeps in; "" when it does not, or that may not be read. */
  readonly kernelFunction: string;
  /** The system call that it is in; undefined when it is in none, or that may not be read. */
  readonly call: SystemCallFacts | undefined;
}

export interface SystemCallFacts {
  readonly number: number;
  /** Its arguments as numbers of 32 bits with a sign: good for descriptors and processes, not for addresses. */
  readonly args: readonly number[];
}

/** What a descriptor is open on. */
export interface DescriptorFacts {
  /** `own`: the connection, or the pipe, that the request came on. */
  readonly kind: "own" | "file" | "pipe" | "socket" | "other";
  /** A path, or words such as "tcp 192.0.2.1:3306". */
  readonly name: string;
}

export interface LockHolder {
  readonly pid: number;
  /** Of its executable; "" when it has gone. */
  readonly name: string;
}

/** A process as /proc shows it. */
export interface ProcessFacts {
  readonly pid: number;
  /** Of its executable, without the path. */
  readonly name: string;
  /** CPU time of all its threads. */
  readonly cpuMs: number;
  /** Time in which they were ready to run, and others had the CPUs. */
  readonly cpuWaitMs: number;
  /** The first ones, where there are many. */
  readonly threads: readonly ThreadFacts[];
  /** What its descriptors are, as far as that was of interest. */
  readonly descriptors: ReadonlyMap<number, DescriptorFacts>;
  /** The processes that hold the file lock that it waits for. */
  readonly lockHolders: readonly LockHolder[];
  /** Those that it has started, where it may wait for one. */
  readonly children: readonly ProcessFacts[];
  /** The files of /proc that may not be read. */
  readonly denied: readonly string[];
}
