import { descriptorLimit } from "../base/descriptor-limit.ts";
import type { LogFields } from "../base/log.ts";
import type { ServerConfig } from "../config/config.ts";
import { DESCRIPTORS_PER_PROCESS, DESCRIPTORS_RESERVED } from "../config/descriptors.ts";
import type { Machine } from "../pool/cap.ts";
import { formatBytes, formatCores } from "../status/units.ts";
import type { Bound } from "./control-group.ts";
import type { MachineFacts } from "./machine-look.ts";

/** What a backend is taken to need until it is measured. */
const BYTES_PER_BACKEND = 32 * 1024 * 1024;
/** The part of the memory that the processes of one program may take. */
const MEMORY_SHARE = 0.8;
const LEAST_PROCESSES = 64;
/** Where processes and threads have a limit: std-fpm's own threads. */
const OWN_TASKS = 32;
/** And what a process is taken to be, with its threads and what it starts. */
const TASKS_PER_PROCESS = 2;
const LEAST_CONNECTIONS = 4;
/** The part of the descriptors that is reserved at the most. */
const MOST_RESERVED = 3 / 4;
/** The part of the memory that requests and answers may take that wait, and its bounds. */
const BUFFER_SHARE = 1 / 8;
const LEAST_BUFFER_BYTES = 64 * 1024 * 1024;
const MOST_BUFFER_BYTES = 4 * 1024 * 1024 * 1024;
/** Where the system sets no limit. */
const MOST_DESCRIPTORS = 1_048_576;

/** The limits of the whole daemon, with what the machine gives in place of 0. */
export interface Limits {
  readonly maxProcesses: number;
  /** What bounds it: a setting, or the scarcest thing. */
  readonly maxProcessesFrom: string;
  /** As many as descriptors allow, whatever the settings say. */
  readonly maxConnections: number;
  /** So many descriptors may be open. */
  readonly descriptors: number;
  readonly bufferLimitBytes: number;
  readonly machine: Machine;
  readonly facts: MachineFacts;
}

/** `descriptors`: how many may be open in this process. */
export function limitsOf(server: ServerConfig, facts: MachineFacts, descriptors = openFileLimit()): Limits {
  const forUse = descriptors - Math.min(DESCRIPTORS_RESERVED, Math.floor(descriptors * MOST_RESERVED));
  const { value: maxProcesses, from } = processLimit(server, facts, forUse);
  const fitting = Math.max(LEAST_CONNECTIONS, forUse - maxProcesses * DESCRIPTORS_PER_PROCESS);
  const memoryBytes = facts.memoryBytes.value;
  return {
    maxProcesses,
    maxProcessesFrom: from,
    maxConnections: Math.min(server.maxConnections || fitting, fitting),
    descriptors,
    bufferLimitBytes: server.bufferLimitBytes || automaticBufferBytes(memoryBytes),
    machine: { cores: facts.cores.value, memoryBudgetBytes: memoryBytes * MEMORY_SHARE },
    facts,
  };
}

/** What a line of the log says of them. */
export function limitFields({ maxProcesses, facts }: Limits): LogFields {
  const { cores, memoryBytes } = facts;
  return {
    max_processes: maxProcesses,
    cores: formatCores(cores.value),
    memory: formatBytes(memoryBytes.value),
  };
}

/** `forUse`: descriptors for processes and connections. */
function processLimit(server: ServerConfig, facts: MachineFacts, forUse: number): Bound {
  const most = processesIn(forUse - LEAST_CONNECTIONS);
  if (server.maxProcesses > most) return { value: most, from: "descriptors" };
  if (server.maxProcesses > 0) return { value: server.maxProcesses, from: "the setting max_processes" };
  // Half of them, or what is left by as many connections as are asked for: beyond this no process can be started.
  const forProcesses = server.maxConnections > 0 ? forUse - server.maxConnections : forUse / 2;
  const byDescriptors = processesIn(forProcesses);
  const byMemory = Math.max(LEAST_PROCESSES, Math.floor(facts.memoryBytes.value / BYTES_PER_BACKEND));
  const automatic =
    byDescriptors < byMemory
      ? { value: byDescriptors, from: "descriptors" }
      : { value: byMemory, from: "memory" };
  if (!facts.tasks) return automatic;
  // Nor beyond this: there is no least number here but one.
  const fitting = Math.floor((facts.tasks.value - OWN_TASKS) / TASKS_PER_PROCESS);
  return fitting < automatic.value ? { value: Math.max(1, fitting), from: facts.tasks.from } : automatic;
}

function processesIn(descriptors: number): number {
  return Math.max(1, Math.floor(descriptors / DESCRIPTORS_PER_PROCESS));
}

function automaticBufferBytes(memoryBytes: number): number {
  return Math.min(MOST_BUFFER_BYTES, Math.max(LEAST_BUFFER_BYTES, Math.floor(memoryBytes * BUFFER_SHARE)));
}

function openFileLimit(): number {
  return Math.min(descriptorLimit(), MOST_DESCRIPTORS);
}
