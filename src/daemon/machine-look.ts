import { readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { MemoryKiller } from "../backend/memory-killer.ts";
import { type Bound, cpuList, type GroupFolder, groupBounds, groupFolders, least } from "./control-group.ts";

/** What std-fpm and its programs may use: of the machine, or of the control group where that allows less. */
export interface MachineFacts {
  /** May have a fraction. */
  readonly cores: Bound;
  readonly memoryBytes: Bound;
  /** Processes and threads; undefined: as many as the system has numbers for. */
  readonly tasks: Bound | undefined;
}

type Read = (path: string) => string | undefined;

const CGROUP = "/proc/self/cgroup";
const MOUNTS = "/proc/self/mountinfo";
const STATUS = "/proc/self/status";
const LIMITS = "/proc/self/limits";
const ONLINE = "/sys/devices/system/cpu/online";
/** Which file of a control group counts those that were ended; of the other controllers none does. */
const KILL_FILES = { unified: "memory.events", memory: "memory.oom_control", cpu: "", pids: "" } as const;
const MACHINE = "the machine";

/** Reads what the machine and the control groups of this process allow, some small files each time. */
export class MachineLook {
  readonly #read: Read;
  #group: string | undefined;
  #folders: readonly GroupFolder[] = [];

  /** `read` has the text of a file; undefined where it cannot be read. */
  constructor(read: Read = textOf) {
    this.#read = read;
  }

  look(): MachineFacts {
    const bounds = groupBounds(this.#foldersNow(), this.#read);
    const memory = { value: totalmem(), from: MACHINE };
    return {
      cores: least(this.#cpus(), bounds.cores) as Bound,
      memoryBytes: least(memory, bounds.memoryBytes) as Bound,
      tasks: least(bounds.tasks, this.#tasksOfUser()),
    };
  }

  /** Root has no limit, and each user of its programs one of their own; others run their programs as themselves (RLIMIT_NPROC, getrlimit(2)). */
  #tasksOfUser(): Bound | undefined {
    if (/^Uid:\t\d+\t0\t/m.test(this.#read(STATUS) ?? "")) return undefined;
    const soft = /^Max processes\s+(\d+)/m.exec(this.#read(LIMITS) ?? "")?.[1];
    return soft === undefined ? undefined : { value: Number(soft), from: "RLIMIT_NPROC" };
  }

  /** The table of mounts can be long: it is read again only when the process has come into another group. */
  #foldersNow(): readonly GroupFolder[] {
    const group = this.#read(CGROUP) ?? "";
    if (group !== this.#group) this.#folders = groupFolders(group, this.#read(MOUNTS) ?? "");
    this.#group = group;
    return this.#folders;
  }

  /** Not by availableParallelism(): Bun remembers its first answer (1.4.5), and the mask may change. */
  #cpus(): Bound {
    const allowedText = /^Cpus_allowed_list:\s*(\S+)$/m.exec(this.#read(STATUS) ?? "")?.[1];
    const allowed = cpuList(allowedText ?? "");
    const online = cpuList(this.#read(ONLINE) ?? "") ?? allowed;
    if (!allowed || !online) return { value: availableParallelism(), from: MACHINE };
    // The mask may name cores that are not there.
    const usable = [...online].filter((cpu) => allowed.has(cpu)).length;
    if (usable === 0) return { value: availableParallelism(), from: MACHINE };
    return { value: usable, from: usable < online.size ? "the affinity mask" : MACHINE };
  }
}

/** Looks at what the kernel's memory killer does: to our control group, or where that has no counter, to the machine. */
export function ownMemoryKiller(read: Read = textOf): MemoryKiller {
  const folders = groupFolders(read(CGROUP) ?? "", read(MOUNTS) ?? "");
  const files = folders.map(({ hierarchy, path }) => `${path}/${KILL_FILES[hierarchy]}`);
  const own = files.find((file) => read(file)?.includes("oom_kill "));
  return new MemoryKiller(own ?? "/proc/vmstat", read);
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
