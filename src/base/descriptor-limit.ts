import { resourceLimit, setSoftLimit } from "./rlimits.ts";

/** What programs get: those built with an old libfcgi crash on descriptors from 1024 on (select(2)). */
export const SOFT_NOFILE = 1024;
/** So many may be opened until the next one is told of. */
const MARGIN = 256;

/** This process has the limit of programs, which is lower than what it may have. */
let isAtRest = false;

/**
 * Gives this process the soft limit of descriptors that programs are to have: whatever it starts has it before its first instruction, and no tool must
 * set it. As soon as more are needed it rises as far as it may, once and for all. Where it is no higher anyway nothing changes.
 */
export function restDescriptorLimit(): void {
  const limit = resourceLimit(0, "nofile");
  if (limit && limit.soft > SOFT_NOFILE) isAtRest = setSoftLimit("nofile", SOFT_NOFILE);
}

/** A descriptor of this number was given out (none, if it is negative): they are given out from below. Told of most; one is looked at from time to time for the others. */
export function noteDescriptor(fd: number): void {
  if (isAtRest && fd >= SOFT_NOFILE - MARGIN) raise();
}

/** So many descriptors may be open in this process. */
export function descriptorLimit(): number {
  const limit = resourceLimit(0, "nofile");
  if (!limit) return 0;
  return isAtRest && limit.soft === SOFT_NOFILE ? limit.hard : limit.soft;
}

function raise(): void {
  isAtRest = false;
  const limit = resourceLimit(0, "nofile");
  // Another one is whose who has set it while we run.
  if (limit?.soft === SOFT_NOFILE) setSoftLimit("nofile", limit.hard);
}
