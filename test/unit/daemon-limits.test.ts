import { expect, test } from "bun:test";
import type { ServerConfig } from "../../src/config/config.ts";
import { limitFields, limitsOf } from "../../src/daemon/limits.ts";
import type { MachineFacts } from "../../src/daemon/machine-look.ts";

const GIB = 2 ** 30;
const MACHINE: MachineFacts = {
  cores: { value: 4, from: "the machine" },
  memoryBytes: { value: 64 * GIB, from: "the machine" },
  tasks: undefined,
};

test("what is buffered has a limit of its own, also where none is set", () => {
  expect(limitsOf({ bufferLimitBytes: 1234 } as ServerConfig, MACHINE, 1024).bufferLimitBytes).toBe(1234);
  const { bufferLimitBytes } = limitsOf({ bufferLimitBytes: 0 } as ServerConfig, MACHINE, 1024);
  expect(bufferLimitBytes).toBeGreaterThanOrEqual(64 * 1024 * 1024);
  expect(bufferLimitBytes).toBeLessThanOrEqual(4 * 1024 * 1024 * 1024);
});

const limits = (maxProcesses: number, maxConnections: number, descriptors: number, facts = MACHINE) =>
  limitsOf({ maxProcesses, maxConnections } as ServerConfig, facts, descriptors);

test("connections get what processes leave of the descriptors", () => {
  expect(limits(100, 0, 1024).maxConnections).toBe(1024 - 100 - 500);
  expect(limits(100, 424, 1024).maxConnections).toBe(424);
  expect(limits(100, 425, 1024).maxConnections).toBe(424);
});

test("processes get half of the descriptors, or what the connections that are asked for leave", () => {
  expect(limits(0, 0, 1024)).toMatchObject({
    maxProcesses: 92,
    maxProcessesFrom: "descriptors",
    maxConnections: 1024 - 100 - 92 * 5,
  });
  expect(limits(0, 600, 1024)).toMatchObject({ maxProcesses: 64, maxConnections: 600 });
});

test("however few descriptors there are, a process and some connections are served, and all of it together fits", () => {
  expect(limits(0, 0, 64)).toMatchObject({ maxProcesses: 1, maxConnections: 11 });
  expect(limits(0, 0, 16)).toMatchObject({ maxProcesses: 1, maxConnections: 4 });
  expect(limits(0, 5, 128).maxConnections).toBe(5);
  // Also where the settings ask for more.
  expect(limits(200, 4000, 128)).toMatchObject({
    maxProcesses: 5,
    maxProcessesFrom: "descriptors",
    maxConnections: 7,
  });
});

test("as many processes as just fit are what the setting says, one more is what descriptors allow", () => {
  const most = limits(1000, 0, 1024).maxProcesses;
  expect(limits(most, 0, 1024)).toMatchObject({
    maxProcesses: most,
    maxProcessesFrom: "the setting max_processes",
  });
  expect(limits(most + 1, 0, 1024)).toMatchObject({ maxProcesses: most, maxProcessesFrom: "descriptors" });
});

test("memory is that of the control group where it has less: for processes, the budget and what is buffered", () => {
  const small = { ...MACHINE, memoryBytes: { value: 4 * GIB, from: "/g/memory.max" } };
  const { maxProcesses, maxProcessesFrom, machine, bufferLimitBytes } = limits(0, 0, 1_000_000, small);
  expect([maxProcesses, maxProcessesFrom]).toEqual([128, "memory"]);
  expect(machine).toEqual({ cores: 4, memoryBudgetBytes: 4 * GIB * 0.8 });
  expect(bufferLimitBytes).toBe(GIB / 2);
});

const tasks = (value: number) => ({ ...MACHINE, tasks: { value, from: "/g/pids.max" } });

test("a limit of tasks bounds the processes: two for each, and what std-fpm needs itself", () => {
  expect(limits(0, 0, 1_000_000, tasks(232))).toMatchObject({
    maxProcesses: 100,
    maxProcessesFrom: "/g/pids.max",
  });
  // Also below the least number that holds else.
  expect(limits(0, 0, 1_000_000, tasks(52)).maxProcesses).toBe(10);
  expect(limits(0, 0, 1_000_000, tasks(1)).maxProcesses).toBe(1);
});

test("a limit of tasks that leaves room, and one where max_processes is set, change nothing", () => {
  expect(limits(0, 0, 1_000_000, tasks(1_000_000))).toEqual({
    ...limits(0, 0, 1_000_000),
    facts: tasks(1_000_000),
  });
  expect(limits(500, 0, 1_000_000, tasks(52))).toMatchObject({
    maxProcesses: 500,
    maxProcessesFrom: "the setting max_processes",
  });
});

test("the log says what holds, a fraction of a core with what counts of it", () => {
  const third = { ...MACHINE, cores: { value: 1 / 3, from: "/g/cpu.max" } };
  expect(limitFields(limits(7, 0, 1024, third))).toEqual({
    max_processes: 7,
    cores: "0.33",
    memory: "64 GiB",
  });
});
