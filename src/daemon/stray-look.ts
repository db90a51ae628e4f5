import { readdirSync } from "node:fs";
import { startTicksOf } from "../backend/usage.ts";
import { statOf, userOf } from "../base/proc-stat.ts";
import type { MarkReader } from "./mark-reader.ts";

/** What is known of a process without anything that it could hold up. */
export interface ListedProcess {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  /** When it was started: another process with its pid has another value. */
  readonly startTicks: string;
}

/** What knows the processes. */
export interface ProcessTable {
  /** All but the kernel's own. */
  all(): readonly ListedProcess[];
  /** Undefined when it has gone. */
  userOf(pid: number): number | undefined;
}

/** The first process, which adopts what nobody else does; and whoever started that, outside of a container. */
const FIRST_PIDS: readonly number[] = [0, 1];
/** A flag of /proc/PID/stat: the kernel's own. */
const PF_KTHREAD = 0x200000;

/**
 * Looks for processes with the mark of an instance that nobody else answers for: whose parents have it, too, up to one that has adopted them. Only
 * what may be such a process is read: children of those who adopt, and of what is found.
 */
export class StrayLook {
  readonly #marks: Pick<MarkReader, "begin" | "isMarked">;
  readonly #table: ProcessTable;

  constructor(marks: Pick<MarkReader, "begin" | "isMarked">, table: ProcessTable = PROC) {
    this.#marks = marks;
    this.#table = table;
  }

  /**
   * Those there are at the beginning of the look; without those that do not let themselves be read (`MarkReader`). Takes two seconds at the most, in which
   * they may end, and others get their pids.
   */
  async strays(): Promise<ListedProcess[]> {
    const processes = new Map(this.#table.all().map((each) => [each.pid, each]));
    const isAdopter = (pid: number) =>
      FIRST_PIDS.includes(pid) || pid === process.pid || isSystemd(processes.get(pid));
    const marked = await this.#markedOf([...processes.values()], isAdopter);
    const strays = [...marked].filter((pid) => {
      let parent = processes.get(pid)?.parent;
      // Read one after the other, they may name each other.
      for (let up = 0; parent !== undefined && marked.has(parent) && up < marked.size; up++)
        parent = processes.get(parent)?.parent;
      return parent !== undefined && !marked.has(parent) && isAdopter(parent);
    });
    return strays.flatMap((pid) => processes.get(pid) ?? []);
  }

  async #markedOf(
    processes: readonly ListedProcess[],
    isAdopter: (pid: number) => boolean,
  ): Promise<Set<number>> {
    const children = Map.groupBy(processes, ({ parent }) => parent);
    const seen = new Set([process.pid]);
    const marked = new Set<number>();
    const read = async (pid: number, uid: number) => {
      if (!(await this.#marks.isMarked(pid, uid))) return;
      marked.add(pid);
      await readAll(children.get(pid) ?? []);
    };
    const readAll = async (some: readonly ListedProcess[]) => {
      const counts = new Map<number, number>();
      const found = some.flatMap(({ pid }) => {
        const uid = seen.has(pid) ? undefined : this.#table.userOf(pid);
        seen.add(pid);
        if (uid === undefined) return [];
        const nth = (counts.get(uid) ?? 0) + 1;
        counts.set(uid, nth);
        return [{ pid, uid, nth }];
      });
      // One of each user, and another: nobody's many, or slow, take up all the time there is. Last those of the users that a user may have (subuid(5)).
      found.sort((a, b) => a.nth - b.nth || a.uid - b.uid);
      await Promise.all(found.map(({ pid, uid }) => read(pid, uid)));
    };
    this.#marks.begin();
    // One that adopts may have the mark itself.
    await readAll(processes.filter((each) => isAdopter(each.parent) || isSystemd(each)));
    return marked;
  }
}

/** The pids of those that have not ended since they were found: another process may have the pid by now. To be asked right before each signal. */
export function stillThere(found: readonly ListedProcess[]): number[] {
  return found.filter(({ pid, startTicks }) => startTicksOf(pid) === startTicks).map(({ pid }) => pid);
}

/** A user's systemd adopts what is left of that user's services. */
function isSystemd(found: ListedProcess | undefined): boolean {
  return found?.name === "systemd";
}

const PROC: ProcessTable = {
  all: () =>
    readdirSync("/proc")
      .map(Number)
      .filter(Number.isInteger)
      .flatMap((pid) => {
        const stat = statOf(pid);
        const isWanted = stat !== undefined && (stat.flags & PF_KTHREAD) === 0;
        return isWanted ? [{ pid, ...stat }] : [];
      }),
  userOf,
};
