/** How long one process lives and what it may grow to; 0 = no limit. */
export interface Lifespan {
  readonly maxRequests: number;
  readonly maxAgeMs: number;
  readonly maxMemoryBytes: number;
}

/** What one process has come to. */
export interface Spent {
  readonly served: number;
  readonly ageMs: number;
  /** undefined while it was not looked at. */
  readonly memoryBytes: number | undefined;
}

export type RecycleReason = "max_requests" | "max_age" | "max_memory";

/** Processes of one program that started together shall not end together. */
const JITTER = 0.1;

/** The limits of one process: requests and age up to a tenth less or more, by `chance`, 0 to 1. */
export function lifespanOf(limits: Lifespan, chance: number): Lifespan {
  const factor = 1 + JITTER * (2 * chance - 1);
  return {
    maxRequests: limits.maxRequests === 0 ? 0 : Math.max(1, Math.round(limits.maxRequests * factor)),
    maxAgeMs: limits.maxAgeMs * factor,
    maxMemoryBytes: limits.maxMemoryBytes,
  };
}

/** Whether a process is so large that it is killed, whatever it is at; 0 = never. */
export function isFarTooLarge(memoryBytes: number | undefined, hardBytes: number): boolean {
  return hardBytes > 0 && (memoryBytes ?? 0) > hardBytes;
}

/** Why a process that is free ends and is replaced; undefined: it goes on. */
export function recycleReason(limits: Lifespan, spent: Spent): RecycleReason | undefined {
  const { maxRequests, maxAgeMs, maxMemoryBytes } = limits;
  if (maxRequests > 0 && spent.served >= maxRequests) return "max_requests";
  if (maxAgeMs > 0 && spent.ageMs >= maxAgeMs) return "max_age";
  if (maxMemoryBytes > 0 && (spent.memoryBytes ?? 0) > maxMemoryBytes) return "max_memory";
  return undefined;
}
