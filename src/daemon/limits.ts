import { availableParallelism, totalmem } from "node:os";
import { resourceLimit } from "../base/rlimits.ts";
import type { ServerConfig } from "../config/config.ts";
import { DESCRIPTORS_PER_PROCESS, DESCRIPTORS_RESERVED } from "../config/descriptors.ts";
import type { Machine } from "../pool/cap.ts";

/** What a backend is taken to need until it is measured. */
const BYTES_PER_BACKEND = 32 * 1024 * 1024;
/** The part of the memory that the processes of one program may take. */
const MEMORY_SHARE = 0.8;
const LEAST_PROCESSES = 64;

/** The limits of the whole daemon, with what the machine gives in place of 0. */
export interface Limits {
  readonly maxProcesses: number;
  readonly maxConnections: number;
  readonly machine: Machine;
}

export function limitsOf(server: ServerConfig): Limits {
  const descriptors = (resourceLimit(0, "nofile")?.soft ?? 0) - DESCRIPTORS_RESERVED;
  const byMemory = totalmem() / BYTES_PER_BACKEND;
  const byDescriptors = descriptors / 2 / DESCRIPTORS_PER_PROCESS;
  const automatic = Math.max(LEAST_PROCESSES, Math.floor(Math.min(byMemory, byDescriptors)));
  const maxProcesses = server.maxProcesses || automatic;
  return {
    maxProcesses,
    maxConnections:
      server.maxConnections || Math.max(16, Math.floor(descriptors - maxProcesses * DESCRIPTORS_PER_PROCESS)),
    machine: { cores: availableParallelism(), memoryBudgetBytes: totalmem() * MEMORY_SHARE },
  };
}
