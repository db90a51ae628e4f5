import { expect, test } from "bun:test";
import { describeExit } from "../../src/backend/exit.ts";
import { MemoryKiller } from "../../src/backend/memory-killer.ts";

const OWN = "/own/memory.events";

test("a counter that moved just now is told of each process that ends, with what it was", () => {
  const files: Record<string, string> = { [OWN]: "oom 3\noom_kill 3\n" };
  const killer = new MemoryKiller(OWN, (path) => files[path]);
  expect(killer.moved("")).toBeUndefined();
  files[OWN] = "oom 9\noom_kill 5\n";
  for (const _ of [1, 2]) expect(killer.moved("")).toBe(`oom_kill of ${OWN} went from 3 to 5`);
  killer.look();
  expect(killer.moved("")).toBe(`oom_kill of ${OWN} went from 3 to 5`);
});

test("what the kernel's memory killer did a while ago is no reason for an end of now", () => {
  const files: Record<string, string> = { [OWN]: "oom_kill 3\n" };
  const killer = new MemoryKiller(OWN, (path) => files[path]);
  files[OWN] = "oom_kill 4\n";
  for (const _ of [1, 2]) killer.look();
  expect(killer.moved("")).toBeUndefined();
});

test("a control group that settings name has its own counter, of version 2 or 1", () => {
  const files: Record<string, string> = { "/v1/memory.oom_control": "under_oom 0\noom_kill 1\n" };
  const killer = new MemoryKiller(OWN, (path) => files[path]);
  for (const group of ["/v1", "/v2", "/gone"]) killer.watch(group);
  files["/v1/memory.oom_control"] = "under_oom 0\noom_kill 2\n";
  files["/v2/memory.events"] = "oom_kill 1\n";
  expect(killer.moved("/v1")).toBe("oom_kill of /v1/memory.oom_control went from 1 to 2");
  expect(killer.moved("/v2")).toBe("oom_kill of /v2/memory.events went from 0 to 1");
  expect(killer.moved("/gone")).toBeUndefined();
});

test("only a SIGKILL that nobody asked for is another's", () => {
  const exit = { code: null, signal: "SIGKILL", reason: undefined };
  expect(describeExit(exit)).toBe(
    "ended by SIGKILL, not by std-fpm: the kernel's memory killer, or somebody",
  );
  expect(describeExit({ ...exit, memoryKiller: "oom_kill went from 0 to 1" })).toBe(
    "ended by SIGKILL, not by std-fpm: the kernel's memory killer (oom_kill went from 0 to 1)",
  );
  expect(describeExit({ ...exit, hasCpuLimit: true })).toBe(
    "ended by SIGKILL, not by std-fpm: limits.cpu, the kernel's memory killer, or somebody",
  );
  expect(describeExit({ ...exit, reason: "request timeout" })).toBe("ended by SIGKILL");
  expect(describeExit({ ...exit, signal: "SIGSEGV" })).toBe("ended by SIGSEGV");
});
