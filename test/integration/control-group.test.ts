import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { MachineLook } from "../../src/daemon/machine-look.ts";
import type { Snapshot } from "../../src/status/snapshot.ts";
import { command } from "../support/admin.ts";
import { startSite } from "../support/site.ts";
import { EXECUTABLE, logged, type StdFpm, startStdFpm } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const MIB = 2 ** 20;
/** The limits are looked at every 30 s. */
const SEEN_MS = 40_000;
const CHANGED = "cores, memory or processes have other limits";

async function limitsIn(fpm: StdFpm) {
  const { out } = await command(fpm, "status", "--json");
  const now = JSON.parse(out) as Snapshot;
  return [
    [now.cores, now.cores_from],
    [now.memory_limit_bytes, now.memory_limit_from],
    [now.max_processes, now.max_processes_from],
  ];
}

test("cores and memory in the status are those that this process finds, and a setting is named as one", async () => {
  using dir = makeTempDir();
  const fpm = await startStdFpm({ folder: dir.path, server: "max_processes = 77" });
  const { cores, memoryBytes } = new MachineLook().look();
  expect(await limitsIn(fpm)).toEqual([
    [cores.value, cores.from],
    [memoryBytes.value, memoryBytes.from],
    [77, "the setting max_processes"],
  ]);
  await fpm.stop();
});

test("in a control group its limits hold, and another one is seen within a minute", async () => {
  using dir = makeTempDir();
  using group = makeGroup(`std-fpm-limits-${process.pid}`);
  // Where nobody may make one, the limits are known to be the machine's: see above.
  if (!group) return;
  group.limit({ cores: 0.5, memory: 600 * MIB, tasks: 96 });
  const fpm = await startStdFpm({ folder: dir.path, command: group.command });
  try {
    expect(await limitsIn(fpm)).toEqual([
      [0.5, group.files.cores],
      [600 * MIB, group.files.memory],
      [32, group.files.tasks],
    ]);
    expect(fpm.log()).toMatch(/ info serving .*max_processes=32 cores=0.5 memory="?600 MiB/);
    expect((await command(fpm, "status")).out).toContain("of 32 processes on 0.5 cores,");
    group.limit({ cores: 1.5, memory: 4096 * MIB, tasks: "max" });
    await waitUntil("it is seen", () => fpm.log().includes(CHANGED), SEEN_MS);
    await logged(fpm, "max_processes=128 cores=1.5");
    expect(await limitsIn(fpm)).toEqual([
      [1.5, group.files.cores],
      [4096 * MIB, group.files.memory],
      [128, "memory"],
    ]);
    expect(fpm.log().split(CHANGED)).toHaveLength(2);
  } finally {
    await fpm.stop();
    await waitUntil("the group is empty", () => group.isEmpty);
  }
}, 60_000);

test.each(["fastcgi", "cgi"])("a start that its pids.max does not allow (%s) says so", async (protocol) => {
  using group = makeGroup(`std-fpm-tasks-${process.pid}`);
  if (!group) return;
  await using site = await startSite({
    command: group.command,
    app: `protocol = "${protocol}"`,
    lab: ["first.fcgi", "second.fcgi"],
  });
  // The threads that look at files and start programs are there.
  await site.ask("first.fcgi");
  writeFileSync(group.files.tasks, "1");
  expect((await site.ask("second.fcgi")).status).toBe(502);
  await logged(site.fpm, "second.fcgi cannot be started: no further process may be: its user's limit");
  expect(site.fpm.log()).toContain("pids.max of std-fpm's control group");
  writeFileSync(group.files.tasks, "max");
  await site.fpm.stop();
  await waitUntil("the group is empty", () => group.isEmpty);
});

interface Group extends Disposable {
  /** What puts itself into the group and becomes std-fpm. */
  readonly command: readonly string[];
  readonly files: Readonly<Record<"cores" | "memory" | "tasks", string>>;
  readonly isEmpty: boolean;
  limit(limits: { cores: number; memory: number; tasks: number | "max" }): void;
}

/** A control group of our own, of version 2 or 1; undefined where the system lets nobody make one. */
function makeGroup(name: string): Group | undefined {
  const unified = `/sys/fs/cgroup/${name}`;
  const one = {
    cores: join(unified, "cpu.max"),
    memory: join(unified, "memory.max"),
    tasks: join(unified, "pids.max"),
  };
  const several = {
    cores: `/sys/fs/cgroup/cpu/${name}/cpu.cfs_quota_us`,
    memory: `/sys/fs/cgroup/memory/${name}/memory.limit_in_bytes`,
    tasks: `/sys/fs/cgroup/pids/${name}/pids.max`,
  };
  return groupOf([unified], one, true) ?? groupOf(Object.values(several).map(dirname), several);
}

function groupOf(folders: readonly string[], files: Group["files"], isUnified = false): Group | undefined {
  const remove = () => {
    for (const folder of folders) {
      try {
        rmdirSync(folder);
      } catch {
        // It was not made.
      }
    }
  };
  const members = folders.map((folder) => join(folder, "cgroup.procs"));
  const quota = (cores: number) => (isUnified ? `${cores * 100_000} 100000` : String(cores * 100_000));
  try {
    for (const folder of folders) mkdirSync(folder);
    for (const file of [...members, ...Object.values(files)]) readFileSync(file);
  } catch {
    remove();
    return undefined;
  }
  const enter = `${members.map((file) => `echo $$ > ${file}`).join(" && ")} && exec "$@"`;
  return {
    command: ["/bin/sh", "-c", enter, "sh", EXECUTABLE],
    files,
    get isEmpty() {
      return members.every((file) => readFileSync(file, "utf8") === "");
    },
    limit({ cores, memory, tasks }) {
      writeFileSync(files.cores, quota(cores));
      writeFileSync(files.memory, String(memory));
      writeFileSync(files.tasks, String(tasks));
    },
    [Symbol.dispose]: remove,
  };
}
