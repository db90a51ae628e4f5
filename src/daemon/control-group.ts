/** A number, and what says it: the path of a file of a control group, or words. */
export interface Bound {
  readonly value: number;
  readonly from: string;
}

/** The least of what a control group and those above it allow; undefined: they set no limit. */
export interface GroupBounds {
  /** May have a fraction. */
  readonly cores: Bound | undefined;
  readonly memoryBytes: Bound | undefined;
  /** Processes and threads. */
  readonly tasks: Bound | undefined;
}

/** A folder of a control group: of version 2, or of one of the controllers of version 1. */
export interface GroupFolder {
  readonly hierarchy: "unified" | Controller;
  readonly path: string;
}

type Controller = (typeof CONTROLLERS)[number];

/** A mount of a hierarchy (proc(5), /proc/PID/mountinfo). */
interface Mount {
  /** Which of its groups is seen there. */
  readonly root: string;
  readonly mountPoint: string;
  readonly type: string;
  readonly options: readonly string[];
}

const CONTROLLERS = ["cpu", "memory", "pids"] as const;
/** Files of a controller's folder, by what is read of them. */
const MEMORY_FILES = { unified: "memory.max", memory: "memory.limit_in_bytes" } as const;

/**
 * The folders of a process's control groups and of all above them, as far as they are mounted, from the texts of /proc/PID/cgroup and
 * /proc/PID/mountinfo. Some may not exist: in a container the names can be those of the host.
 */
export function groupFolders(cgroup: string, mountinfo: string): GroupFolder[] {
  const mounts = mountinfo.split("\n").flatMap((line) => mountOf(line) ?? []);
  return cgroup.split("\n").flatMap((line) => {
    // The path may have colons.
    const [, number, controllers = "", path = ""] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (number === undefined) return [];
    if (number === "0" && controllers === "") return foldersIn("unified", path, mounts);
    const named = controllers.split(",");
    return CONTROLLERS.filter((each) => named.includes(each)).flatMap((each) =>
      foldersIn(each, path, mounts),
    );
  });
}

/** What the groups of these folders allow. `read` has the text of a file; undefined where it cannot be read. */
export function groupBounds(
  folders: readonly GroupFolder[],
  read: (path: string) => string | undefined,
): GroupBounds {
  let [cores, memoryBytes, tasks]: (Bound | undefined)[] = [];
  for (const { hierarchy, path } of folders) {
    const number = (file: string) => positive(read(`${path}/${file}`));
    const bound = (file: string, value: number | undefined): Bound | undefined =>
      value === undefined ? undefined : { value, from: `${path}/${file}` };
    if (hierarchy === "unified") cores = least(cores, bound("cpu.max", quotaOf(read(`${path}/cpu.max`))));
    if (hierarchy === "cpu") {
      const quota = quotient(number("cpu.cfs_quota_us"), number("cpu.cfs_period_us"));
      cores = least(cores, bound("cpu.cfs_quota_us", quota));
    }
    if (hierarchy === "unified" || hierarchy === "memory") {
      const file = MEMORY_FILES[hierarchy];
      memoryBytes = least(memoryBytes, bound(file, number(file)));
    }
    if (hierarchy === "unified" || hierarchy === "pids")
      tasks = least(tasks, bound("pids.max", number("pids.max")));
  }
  return { cores, memoryBytes, tasks };
}

/** The smaller of two; the first of equal ones. */
export function least(one: Bound | undefined, other: Bound | undefined): Bound | undefined {
  if (!one || !other) return one ?? other;
  return other.value < one.value ? other : one;
}

/** The numbers of a list such as `0-3,8` (cpuset(7)); undefined when the text is none. */
export function cpuList(text: string): Set<number> | undefined {
  const found = new Set<number>();
  for (const part of text.trim().split(",")) {
    const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? [];
    if (first === undefined) return undefined;
    for (let cpu = Number(first); cpu <= Number(last); cpu++) found.add(cpu);
  }
  return found;
}

function mountOf(line: string): Mount | undefined {
  const [before, after] = line.split(" - ", 2);
  const [, , , root, mountPoint] = before?.split(" ") ?? [];
  const [type = "", , options = ""] = after?.split(" ") ?? [];
  if (root === undefined || mountPoint === undefined || !/^cgroup2?$/.test(type)) return undefined;
  return { root: plain(root), mountPoint: plain(mountPoint), type, options: options.split(",") };
}

/** White space and backslashes are octal there. */
function plain(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The folders from a group up to the first that is mounted. */
function foldersIn(
  hierarchy: GroupFolder["hierarchy"],
  path: string,
  mounts: readonly Mount[],
): GroupFolder[] {
  const fitting = mounts.filter(({ type, options }) =>
    hierarchy === "unified" ? type === "cgroup2" : type === "cgroup" && options.includes(hierarchy),
  );
  // The one that shows the most groups above ours. Where none shows ours (it was moved, or the mount is older than the namespace), what
  // is mounted stands for it.
  const below = fitting.filter(({ root }) => restOf(path, root) !== undefined);
  const [mount] = (below.length > 0 ? below : fitting).sort((a, b) => a.root.length - b.root.length);
  if (!mount) return [];
  const parts = (restOf(path, mount.root) ?? "").split("/").filter((part) => part !== "");
  // Outside of the namespace: above what is mounted nothing can be read.
  if (parts.includes("..")) parts.length = 0;
  const folders = parts.map((_, at) => [mount.mountPoint, ...parts.slice(0, at + 1)].join("/"));
  return [mount.mountPoint, ...folders].reverse().map((folder) => ({ hierarchy, path: folder }));
}

/** The part of a group's path below another one; undefined when it is not below. */
function restOf(path: string, root: string): string | undefined {
  if (root === "/") return path;
  return path === root || path.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
}

/** Cores of a cpu.max: quota and period. */
function quotaOf(text: string | undefined): number | undefined {
  const [quota, period] = text?.trim().split(/\s+/) ?? [];
  return quotient(positive(quota), positive(period));
}

function quotient(quota: number | undefined, period: number | undefined): number | undefined {
  return quota === undefined || period === undefined ? undefined : quota / period;
}

/** Undefined for what sets no limit: "max", -1, 0, and whatever is no number. */
function positive(text: string | undefined): number | undefined {
  const value = /^\d+$/.test(text?.trim() ?? "") ? Number(text) : 0;
  return value > 0 ? value : undefined;
}
