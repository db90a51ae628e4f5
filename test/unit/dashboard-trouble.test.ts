import { describe, expect, test } from "bun:test";
import { Troubles } from "../../src/admin/dashboard/trouble.ts";
import type { ProgramStatus, Snapshot } from "../../src/status/snapshot.ts";
import { collect } from "../support/collect.ts";
import { sampleSource } from "../support/sample-snapshot.ts";

const sample = collect(sampleSource(), true);
const [, quiet] = sample.programs as [ProgramStatus, ProgramStatus];
const idle = { starting: 0, idle: 1, busy: 0, on_its_own: 0, retiring: 0, stopping: 0 };
const of = (name: string, more: Partial<ProgramStatus> = {}): ProgramStatus => ({
  ...quiet,
  name,
  processes: idle,
  queue_length: 0,
  queue_oldest_seconds: 0,
  failed_in_a_row: 0,
  last_error: null,
  limit: 3,
  ...more,
});
const requests = (answered: number) => ({ answered, refused: 0, truncated: 0, client_left: 0 });
const error = { code: "BACKEND_BROKEN", message: "it broke", age_seconds: 2 };

/** What is said of these programs a second later; `before` is what they were. */
function judge(before: readonly ProgramStatus[], now: readonly ProgramStatus[]) {
  const troubles = new Troubles();
  const snapshot = (programs: readonly ProgramStatus[], at: number): Snapshot => ({
    ...sample,
    programs: [...programs],
    uptime_seconds: at,
  });
  troubles.add(snapshot(before, 100));
  troubles.add(snapshot(now, 101));
  return troubles.judged.map(
    ({ program, state, reason, forSeconds }) => [program.name, state, reason, forSeconds] as const,
  );
}

describe("trouble", () => {
  test("of a program that has all processes that all may have names the setting for all", () => {
    const full = { processes: { ...idle, idle: 0, busy: 3 }, queue_length: 1, queue_oldest_seconds: 9 };
    const reason = (limit: number) => judge([of("a")], [of("a", { ...full, limit })])[0]?.[2];
    expect(reason(sample.max_processes)).toContain("raise max_processes of [server], or look at");
    expect(reason(3)).toContain("raise max_processes, or look at");
  });

  test("is in the order of how bad it is, with a reason and since when", () => {
    const names = ["quiet", "busy", "slow", "full", "errors", "boots"];
    const now = [
      of("quiet"),
      of("busy", { processes: { ...idle, busy: 1 } }),
      of("slow", { slow: 2, requests: requests(50) }),
      of("full", { processes: { ...idle, idle: 0, busy: 3 }, queue_length: 18, queue_oldest_seconds: 20 }),
      of("errors", { requests: requests(10), responses: { ...quiet.responses, "5xx": 4 } }),
      of("boots", { failed_in_a_row: 3, next_start_seconds: 4, last_error: error }),
    ];
    expect(
      judge(
        names.map((name) => of(name)),
        now,
      ),
    ).toEqual([
      ["boots", "failing", "3 starts failed in a row, the next is tried in 4 s: it broke", 2],
      [
        "errors",
        "failing",
        "4 of 10 requests were answered with 5xx in the last minute; its own log says why",
        0,
      ],
      [
        "full",
        "saturated",
        "18 wait, the oldest for 20 s: all 3 processes are busy; raise max_processes, or look at what they do",
        20,
      ],
      [
        "slow",
        "slow",
        "2 requests took longer than slow_log.after in the last minute; the log says what for",
        0,
      ],
      ["busy", "busy", "", 0],
      ["quiet", "quiet", "", 1],
    ]);
  });

  test("is not what was long ago, nor a few errors among many answers, nor what clients do wrong", () => {
    const old = of("a", {
      failures: { BACKEND_BROKEN: 500 },
      requests: requests(900),
      slow: 7,
      last_error: error,
    });
    expect(judge([old], [old])[0]?.[1]).toBe("quiet");
    const few = { ...old, requests: requests(1900), failures: { BACKEND_BROKEN: 510 } };
    expect(judge([old], [few])[0]?.[1]).toBe("busy");
    const clients = { ...old, requests: requests(905), failures: { BACKEND_BROKEN: 500, BODY_TOO_LARGE: 5 } };
    expect(judge([old], [clients])[0]?.[1]).toBe("busy");
    const more = { ...old, requests: requests(1000), failures: { BACKEND_BROKEN: 505 } };
    expect(judge([old], [more])[0]?.slice(1, 3)).toEqual([
      "failing",
      "5 of 100 requests could not be answered in the last minute: it broke",
    ]);
  });

  test("of a program that was not there before counts all that it has done", () => {
    const fresh = of("fresh", { requests: requests(3), responses: { ...quiet.responses, "5xx": 3 } });
    expect(judge([], [fresh])[0]?.[1]).toBe("failing");
    const gone = of("gone", { is_gone: true, last_error: error });
    expect(judge([gone], [gone])[0]?.slice(1, 3)).toEqual(["failing", "no process of it runs: it broke"]);
    const longGone = { ...gone, last_error: { ...error, age_seconds: 60 } };
    expect(judge([longGone], [longGone])[0]?.[1]).toBe("quiet");
  });

  test("names what holds the processes, and the room that all programs share", () => {
    const request = { method: "GET", uri: "/checkout", age_seconds: 19 };
    const process = {
      pid: 7,
      children: [],
      state: "busy",
      age_seconds: 60,
      idle_seconds: 0,
      served: 1,
      cpu_seconds: 0,
      memory_bytes: 1,
    };
    const full = of("full", {
      processes: { ...idle, idle: 0, busy: 1 },
      queue_length: 1,
      queue_oldest_seconds: 4,
      process_list: [
        { ...process, requests: [{ ...request, uri: "/quick", age_seconds: 1 }] },
        { ...process, requests: [request, { ...request, uri: "/other", age_seconds: 18 }] },
      ],
    });
    expect(judge([full], [full])[0]?.[2]).toBe(
      "1 waits, the oldest for 4 s: its one process is busy; raise max_processes, or look at GET /checkout (pid 7, at it for 19 s)",
    );
    const alone = { ...full, processes: { ...idle, idle: 0, on_its_own: 1 } };
    expect(judge([alone], [alone])[0]?.[2]).toContain("its one process is busy");
    const booting = { ...full, processes: { ...idle, idle: 0, starting: 1 } };
    expect(judge([booting], [booting])[0]?.[2]).toContain("no process is ready yet");
    const held = { ...full, held_back: full.held_back + 3 };
    expect(judge([full], [held])[0]?.[2]).toContain(
      "there is no room for another process among all programs",
    );
  });
});
