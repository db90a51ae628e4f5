import { describe, expect, test } from "bun:test";
import {
  causeOf,
  describeExit,
  type Exit,
  isBootFailure,
  isKilledByOthers,
  isOfClosedOutput,
} from "../../src/backend/exit.ts";

const exit = (changes: Partial<Exit>): Exit => ({
  ...{ code: 0, signal: null, wasStarted: true, reason: undefined },
  ...changes,
});

describe("the end of a process", () => {
  test("is of one kind, whoever wanted it", () => {
    expect(causeOf(exit({}))).toBe("of its own will");
    expect(causeOf(exit({ code: 1 }))).toBe("crash");
    expect(causeOf(exit({ code: null, signal: "SIGSEGV" }))).toBe("crash");
    expect(causeOf(exit({ code: null, signal: "SIGKILL", reason: "idle" }))).toBe("asked for");
    expect(causeOf(exit({ code: null, signal: "SIGPIPE" }))).toBe("crash");
    expect(causeOf(exit({ code: null, signal: "SIGPIPE", isUnheard: true }))).toBe("of its own will");
    expect(causeOf(exit({ wasStarted: false }))).toBe("boot failure");
    expect(causeOf(exit({ wasStarted: false, reason: "start timeout" }))).toBe("boot failure");
    expect(causeOf(exit({ wasStarted: false, reason: "shutdown" }))).toBe("asked for");
  });

  test("is a failed start only before the first connection", () => {
    expect([isBootFailure(exit({})), isBootFailure(exit({ reason: "start timeout" }))]).toEqual([
      false,
      false,
    ]);
  });

  test("by SIGKILL is somebody else's doing where we have not sent it", () => {
    const killed = { code: null, signal: "SIGKILL" } as const;
    expect(isKilledByOthers(exit(killed))).toBe(true);
    expect(isKilledByOthers(exit({ ...killed, reason: "idle" }))).toBe(false);
    expect(isKilledByOthers(exit({ ...killed, signal: "SIGTERM" }))).toBe(false);
  });

  test("by an output that nobody reads is that of SIGPIPE, by itself or in a shell", () => {
    const isOf = (code: number | null, signal: string | null) => isOfClosedOutput({ code, signal });
    expect([isOf(null, "SIGPIPE"), isOf(141, null)]).toEqual([true, true]);
    expect([isOf(null, "SIGTERM"), isOf(1, null), isOf(0, null)]).toEqual([false, false, false]);
  });

  test("is told with who may have wanted it", () => {
    const killed = { code: null, signal: "SIGKILL" } as const;
    const not = "ended by SIGKILL, not by std-fpm: ";
    expect(describeExit(exit({ code: 3 }))).toBe("exited with status 3");
    expect(describeExit(exit({ ...killed, reason: "idle" }))).toBe("ended by SIGKILL");
    expect(describeExit(exit(killed))).toBe(`${not}the kernel's memory killer, or somebody`);
    expect(describeExit(exit({ ...killed, hasCpuLimit: true }))).toBe(
      `${not}limits.cpu, the kernel's memory killer, or somebody`,
    );
    expect(describeExit(exit({ ...killed, memoryKiller: "from 1 to 2" }))).toBe(
      `${not}the kernel's memory killer (from 1 to 2)`,
    );
  });
});
