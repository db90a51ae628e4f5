/** What the machine has for the processes of one program. */
export interface Machine {
  readonly cores: number;
  readonly memoryBudgetBytes: number;
}

/** What bounds the number of processes of one program. */
export interface CapView {
  /** Cores that may be used: the machine's, less where a cgroup or an affinity mask says so. May have a fraction. */
  readonly cores: number;
  /** The part of a core that a process uses while at work; undefined while unknown. */
  readonly cpuShare: number | undefined;
  /** Mean service time in milliseconds; undefined while unknown. */
  readonly serviceMs: number | undefined;
  /** How long ago the requests in work were lent a process, on the mean; in milliseconds. */
  readonly meanAgeMs: number;
  /** Memory that processes of this program may use together, in bytes. */
  readonly memoryBudgetBytes: number;
  /** Memory of one process, in bytes; undefined while unknown. */
  readonly memoryBytes: number | undefined;
  /** The configured limit; 0 = none. */
  readonly maxProcesses: number;
  /** Requests that one process serves at once. */
  readonly concurrency: number;
}

/** A quarter more than keeps the cores busy: services vary, and some processes wait for something else. */
const CPU_SURPLUS = 1.25;
/** The CPU never bounds a program to fewer: one that is stuck must not hold up the rest. */
const MIN_CPU_CAP = 4;
/** Those at work are slow ones if they are at it for so many times the mean: the quick ones must get past them. */
const HELD_UP = 3;
/** How much higher the CPU's bound is then. */
const HELD_UP_SURPLUS = 2;
const MIN_BOOTS = 2;
/** A boot that hardly computes is taken to use this much: it reads files, and so do the others. */
const MIN_BOOT_CPU_SHARE = 1 / 12;

/** Most processes of one program: a whole number, at least 1, or Infinity. */
export function processCap(view: CapView): number {
  const { maxProcesses, concurrency } = view;
  const configured = maxProcesses > 0 ? maxProcesses : Number.POSITIVE_INFINITY;
  return Math.max(1, Math.min(Math.ceil(cpuCap(view) / concurrency), memoryCap(view), configured));
}

/**
 * How many boots of one program may be in flight: as many as the cores can carry. More would all be ready later.
 * `bootCpuShare`: the part of a core that a boot uses; undefined until one was seen.
 */
export function bootsAtOnce(cores: number, bootCpuShare: number | undefined): number {
  if (bootCpuShare === undefined) return Math.max(MIN_BOOTS, Math.floor(cores / 2));
  return Math.max(MIN_BOOTS, Math.floor(cores / Math.max(bootCpuShare, MIN_BOOT_CPU_SHARE)));
}

/** Most requests at work at once that the cores can carry. */
function cpuCap({ cores, cpuShare, serviceMs, meanAgeMs }: CapView): number {
  if (cpuShare === undefined || cpuShare <= 0) return Number.POSITIVE_INFINITY;
  const isHeldUp = serviceMs !== undefined && meanAgeMs > HELD_UP * serviceMs;
  return (
    Math.max(MIN_CPU_CAP, Math.ceil((CPU_SURPLUS * cores) / cpuShare)) * (isHeldUp ? HELD_UP_SURPLUS : 1)
  );
}

function memoryCap({ memoryBudgetBytes, memoryBytes }: CapView): number {
  if (memoryBytes === undefined || memoryBytes <= 0) return Number.POSITIVE_INFINITY;
  return Math.floor(memoryBudgetBytes / memoryBytes);
}
