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
const LEAST_CONNECTIONS = 16;
/** The part of the memory that requests and answers may take that wait, and its bounds. */
const BUFFER_SHARE = 1 / 8;
const LEAST_BUFFER_BYTES = 64 * 1024 * 1024;
const MOST_BUFFER_BYTES = 4 * 1024 * 1024 * 1024;
/** Where the system sets no limit. */
const MOST_DESCRIPTORS = 1_048_576;

/** The limits of the whole daemon, with what the machine gives in place of 0. */
export interface Limits {
  readonly maxProcesses: number;
  /** As many as descriptors allow, whatever the settings say. */
  readonly maxConnections: number;
  /** So many descriptors may be open. */
  readonly descriptors: number;
  readonly bufferLimitBytes: number;
  readonly machine: Machine;
}

/** `descriptors`: how many may be open in this process. */
export function limitsOf(server: ServerConfig, descriptors = openFileLimit()): Limits {
  const forUse = descriptors - DESCRIPTORS_RESERVED;
  const byMemory = totalmem() / BYTES_PER_BACKEND;
  // Half of them, or what is left by as many connections as are asked for.
  const forProcesses = server.maxConnections > 0 ? forUse - server.maxConnections : forUse / 2;
  const byDescriptors = forProcesses / DESCRIPTORS_PER_PROCESS;
  const automatic = Math.max(LEAST_PROCESSES, Math.floor(Math.min(byMemory, byDescriptors)));
  const maxProcesses = server.maxProcesses || automatic;
  const fitting = Math.max(LEAST_CONNECTIONS, forUse - maxProcesses * DESCRIPTORS_PER_PROCESS);
  return {
    maxProcesses,
    maxConnections: Math.min(server.maxConnections || fitting, fitting),
    descriptors,
    bufferLimitBytes: server.bufferLimitBytes || automaticBufferBytes(totalmem()),
    machine: { cores: availableParallelism(), memoryBudgetBytes: totalmem() * MEMORY_SHARE },
  };
}

function automaticBufferBytes(memoryBytes: number): number {
  return Math.min(MOST_BUFFER_BYTES, Math.max(LEAST_BUFFER_BYTES, Math.floor(memoryBytes * BUFFER_SHARE)));
}

function openFileLimit(): number {
  return Math.min(resourceLimit(0, "nofile")?.soft ?? 0, MOST_DESCRIPTORS);
}
