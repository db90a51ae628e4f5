import { describe, expect, test } from "bun:test";
import { totalmem } from "node:os";
import { MachineLook } from "../../src/daemon/machine-look.ts";
import { MachineWatch } from "../../src/daemon/machine-watch.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** A machine with eight cores and a group of version 2, in files that a test may change. */
function machineOf(changes: Record<string, string | undefined> = {}) {
  const files: Record<string, string | undefined> = {
    "/proc/self/cgroup": "0::/one\n",
    "/proc/self/mountinfo": "31 23 0:27 / /g rw - cgroup2 cgroup2 rw\n",
    "/proc/self/status": "Name:\tstd-fpm\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n",
    "/sys/devices/system/cpu/online": "0-7\n",
    ...changes,
  };
  const read: string[] = [];
  const machine = new MachineLook((path) => {
    read.push(path);
    return files[path];
  });
  return { files, machine, read };
}

describe("what may be used", () => {
  const theMachine = { value: totalmem(), from: "the machine" };

  test("is the machine's where no group sets a limit, or one above it", () => {
    const { files, machine } = machineOf();
    const whole = { cores: { value: 8, from: "the machine" }, memoryBytes: theMachine, tasks: undefined };
    expect(machine.look()).toEqual(whole);
    files["/g/one/cpu.max"] = "900000 100000";
    files["/g/one/memory.max"] = "9223372036854771712";
    files["/g/one/pids.max"] = "max";
    expect(machine.look()).toEqual(whole);
  });

  test("is the group's where that has less", () => {
    const { machine } = machineOf({
      "/g/cpu.max": "750000 100000",
      "/g/one/memory.max": "1000",
      "/g/one/pids.max": "5",
    });
    expect(machine.look()).toEqual({
      cores: { value: 7.5, from: "/g/cpu.max" },
      memoryBytes: { value: 1000, from: "/g/one/memory.max" },
      tasks: { value: 5, from: "/g/one/pids.max" },
    });
  });

  test("is for tasks what the user may have, unless that is root", () => {
    const limits = "Limit                     Soft Limit           Hard Limit           Units\n";
    const ofUser = (uid: number, soft: string) =>
      machineOf({
        "/proc/self/status": `Name:\tstd-fpm\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\n`,
        "/proc/self/limits": `${limits}Max processes             ${soft}                 100                  processes\n`,
        "/g/one/pids.max": "50",
      }).machine.look().tasks;
    expect(ofUser(1000, "40")).toEqual({ value: 40, from: "RLIMIT_NPROC" });
    for (const tasks of [ofUser(1000, "60"), ofUser(1000, "unlimited"), ofUser(0, "40")])
      expect(tasks).toEqual({ value: 50, from: "/g/one/pids.max" });
  });

  test("is what the affinity mask leaves, cores that are not there left out", () => {
    const status = (list: string) => ({ "/proc/self/status": `Cpus_allowed_list:\t${list}\n` });
    const coresWith = (list: string) => machineOf(status(list)).machine.look().cores;
    expect(coresWith("2,5")).toEqual({ value: 2, from: "the affinity mask" });
    expect(coresWith("0-239")).toEqual({ value: 8, from: "the machine" });
    expect(coresWith("7-239")).toEqual({ value: 1, from: "the affinity mask" });
  });

  test("is known, too, where nothing can be read", () => {
    const { cores, memoryBytes, tasks } = new MachineLook(() => undefined).look();
    expect([cores.from, memoryBytes, tasks]).toEqual(["the machine", theMachine, undefined]);
    expect(cores.value).toBeGreaterThan(0);
  });

  test("is looked up in another group once the process is there; the mounts are read for that only", () => {
    const { files, machine, read } = machineOf({ "/g/two/pids.max": "7" });
    for (let turn = 0; turn < 3; turn++) expect(machine.look().tasks).toBeUndefined();
    files["/proc/self/cgroup"] = "0::/two\n";
    expect(machine.look().tasks?.value).toBe(7);
    expect(read.filter((path) => path === "/proc/self/mountinfo")).toHaveLength(2);
  });

  test("can be read on this machine", () => {
    const { cores, memoryBytes } = new MachineLook().look();
    expect(cores.value).toBeGreaterThan(0);
    expect(memoryBytes.value).toBeLessThanOrEqual(totalmem());
  });
});

describe("a change", () => {
  test("is told within a minute, once, and nothing else is", () => {
    const clock = new FakeClock();
    const { files, machine } = machineOf();
    const watch = new MachineWatch(machine, clock);
    const told: number[] = [];
    watch.watch(() => told.push(watch.facts.cores.value));
    clock.advance(60_000);
    files["/g/one/cpu.max"] = "50000 100000";
    expect([watch.facts.cores.value, told]).toEqual([8, []]);
    clock.advance(60_000);
    expect(told).toEqual([0.5]);
    files["/g/one/cpu.max"] = "max 100000";
    clock.advance(30_000);
    expect(told).toEqual([0.5, 8]);
    clock.advance(300_000);
    expect(told).toEqual([0.5, 8]);
    watch.close();
    expect(clock.timers).toBe(0);
  });
});
