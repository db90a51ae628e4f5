import { describe, expect, test } from "bun:test";
import { programLines, type SortKey } from "../../src/cli/watch-programs.ts";
import { renderWatch, type Seen } from "../../src/cli/watch-view.ts";
import type { ProcessStatus, ProgramStatus, Snapshot } from "../../src/status/snapshot.ts";
import { collect } from "../support/collect.ts";
import { sampleSource } from "../support/sample-snapshot.ts";

const sample = collect(sampleSource(), true);
const [program] = sample.programs as [ProgramStatus];
const idle = { ...program, process_list: [], last_error: null, is_gone: false };
const named = (name: string, more: Partial<ProgramStatus> = {}): ProgramStatus => ({
  ...idle,
  name,
  settings: name,
  ...more,
});
const withPrograms = (...programs: ProgramStatus[]): Snapshot => ({ ...sample, programs });
/** The names in the order of the lines, "all together" left out. */
const orderOf = (now: Snapshot, before: Snapshot | undefined, sort: SortKey) =>
  programLines(now, before, sort, 200)
    .slice(2)
    .map((line) => line.trim().split(/ {2,}/).at(-1));
const textOf = (now: Snapshot, detail: "requests" | "processes" | "errors", columns = 120, rows = 40) => {
  const seen: Seen = { now, before: undefined, trouble: undefined };
  return renderWatch(seen, { sort: "n", detail }, { columns, rows });
};
/** What stands below the programs. */
const detailsOf = (...given: Parameters<typeof textOf>) => {
  const lines = textOf(...given);
  const head = lines.findIndex(({ style }, at) => at > 3 && style === "head" && lines[at - 1]?.text === "");
  return lines.slice(head, -1).filter(({ text }) => text !== "");
};

describe("programs are sorted", () => {
  const counts = (busy: number) => ({ ...program.processes, busy });
  const answered = (count: number, refused = 0) => ({
    answered: count,
    refused,
    truncated: 0,
    client_left: 0,
  });

  test("by name, from a to z, and so are those that are as good", () => {
    const now = withPrograms(named("/c"), named("/a"), named("/b"));
    for (const sort of ["n", "b", "x"] as const)
      expect(orderOf(now, undefined, sort)).toEqual(["/a", "/b", "/c"]);
  });

  test("by what they have most of: busy processes, queue, memory", () => {
    const holding = (...bytes: (number | null)[]) => ({
      process_list: bytes.map((memory_bytes) => ({ ...program.process_list?.[0], memory_bytes })) as never,
    });
    const now = withPrograms(
      named("/a", { processes: counts(1), queue_length: 9, ...holding(5, null) }),
      named("/b", { processes: counts(3), queue_length: 0, ...holding(4, 3) }),
      named("/c", { processes: counts(2), queue_length: 10, ...holding(6) }),
    );
    const [, total = ""] = programLines(now, undefined, "m", 200);
    expect(total).toContain("18 B");
    expect(orderOf(now, undefined, "b")).toEqual(["/b", "/c", "/a"]);
    expect(orderOf(now, undefined, "w")).toEqual(["/c", "/a", "/b"]);
    expect(orderOf(now, undefined, "m")).toEqual(["/b", "/c", "/a"]);
  });

  test("by what has happened since the last look: requests, failures, CPU time", () => {
    const before = withPrograms(
      named("/a", { requests: answered(1000, 50), cpu_seconds: 90 }),
      named("/b", { requests: answered(10), cpu_seconds: 1 }),
    );
    const now = {
      ...withPrograms(
        named("/a", { requests: answered(1001, 51), cpu_seconds: 90.1 }),
        named("/b", { requests: answered(20, 5), cpu_seconds: 2 }),
      ),
      uptime_seconds: sample.uptime_seconds + 2,
    };
    for (const sort of ["r", "f", "c"] as const) expect(orderOf(now, before, sort)).toEqual(["/b", "/a"]);
  });
});

describe("a line of a program", () => {
  const cells = (now: Snapshot, name: string, width = 200) =>
    programLines(now, undefined, "n", width)
      .find((line) => line.endsWith(name))
      ?.trim()
      .split(/ {2,}/);

  test("counts those that leave and those that are stopped as one", () => {
    const processes = {
      starting: 1,
      idle: 2,
      busy: 3,
      on_its_own: 4,
      retiring: 5,
      stopping: 6,
    };
    expect(cells(withPrograms(named("/a", { processes } as never)), "/a")?.slice(0, 5)).toEqual([
      "1",
      "2",
      "3",
      "4",
      "11",
    ]);
  });

  test("is there for a program without processes only for a minute after an error", () => {
    const error = (age_seconds: number): Partial<ProgramStatus> => ({
      is_gone: true,
      last_error: { code: "BOOT_FAILED", message: "x", age_seconds },
    });
    const now = withPrograms(
      named("/new", error(59)),
      named("/old", error(60)),
      named("/quiet", { is_gone: true }),
    );
    expect(orderOf(now, undefined, "n")).toEqual(["/new"]);
  });

  test("has a name cut from its beginning where the columns leave it less room than it needs", () => {
    const now = withPrograms(named(`/srv/${"x".repeat(60)}`));
    const widths = [60, 61, 62].map((width) => programLines(now, undefined, "n", width)[2]?.length);
    expect(widths).toEqual([60, 61, 62]);
  });

  test("shows as many columns as leave 26 for the name", () => {
    const now = withPrograms(named("/a"));
    const columns = (width: number) => programLines(now, undefined, "n", width)[0]?.trim().split(/ +/).length;
    for (let width = 40; width < 130; width++) {
      const [head = ""] = programLines(now, undefined, "n", width);
      expect(head.length - "*PROGRAM".length + 26).toBeLessThanOrEqual(width);
    }
    expect(columns(500)).toBe(14);
  });
});

describe("below the programs", () => {
  const process = (more: Partial<ProcessStatus>): ProcessStatus =>
    ({ ...(program.process_list?.[0] as ProcessStatus), requests: [], ...more }) as ProcessStatus;
  const request = (uri: string, age_seconds: number) =>
    ({ ...program.process_list?.[0]?.requests[0], method: "GET", uri, age_seconds }) as never;

  test("stand the requests at work, those that take longest first", () => {
    const process_list = [
      process({ pid: 11, requests: [request("/quick", 1)] }),
      process({ pid: 12, requests: [request("/slow", 30), request("/mean", 5)] }),
    ];
    const lines = detailsOf(withPrograms(named("/a", { process_list })), "requests").map(({ text }) => text);
    expect(lines.slice(1).map((line) => line.trim().split(/ {2,}/).slice(1, 3))).toEqual([
      ["12", "GET /slow"],
      ["12", "GET /mean"],
      ["11", "GET /quick"],
    ]);
  });

  test("stand the processes of all programs", () => {
    const [a, b] = [process({ pid: 11, served: 7 }), process({ pid: 12, served: 8 })];
    const now = withPrograms(named("/a", { process_list: [a] }), named("/b", { process_list: [b] }));
    const rows = detailsOf(now, "processes").map(({ text }) => text.trim().split(/ {2,}/));
    expect(rows.slice(1).map((cells) => [cells[0], cells[2], cells.at(-1)])).toEqual([
      ["11", "7", "/a"],
      ["12", "8", "/b"],
    ]);
  });

  test("stand the last errors, the newest first, or that there is none", () => {
    const failed = (name: string, age_seconds: number) =>
      named(name, { last_error: { code: "BOOT_FAILED", message: `of ${name}`, age_seconds } });
    const now = withPrograms(failed("/old", 50), failed("/new", 2), failed("/mean", 9), named("/none"));
    expect(detailsOf(now, "errors").map(({ text }) => text)).toEqual([
      "LAST ERRORS",
      "2 s ago  /new: BOOT_FAILED: of /new",
      "9 s ago  /mean: BOOT_FAILED: of /mean",
      "50 s ago  /old: BOOT_FAILED: of /old",
    ]);
    expect(textOf(withPrograms(named("/a")), "errors").map(({ text }) => text)).toContain("no errors");
    expect(textOf(withPrograms(named("/a")), "processes").map(({ text }) => text)).toContain("no processes");
  });
});

describe("the screen", () => {
  test("is as full as it may be: a line that fits is not cut", () => {
    const now = withPrograms(named("/a"));
    const keys = textOf(now, "errors", 300).at(-1)?.text ?? "";
    expect(textOf(now, "errors", keys.length).at(-1)?.text).toBe(keys);
    expect(textOf(now, "errors", keys.length - 1).at(-1)?.text).not.toBe(keys);
  });

  test("names the three worst programs in trouble, and how many more there are", () => {
    const judged = ["/a", "/b", "/c", "/d", "/e"].map((name) => ({
      key: name,
      state: "failing",
      program: named(name),
      reason: name === "/e" ? "" : `why ${name}`,
    }));
    const seen = { now: withPrograms(named("/a")), before: undefined, trouble: undefined, judged } as never;
    const lines = renderWatch(seen, { sort: "n", detail: "errors" }, { columns: 100, rows: 30 });
    expect(lines.filter(({ style }) => style === "alarm").map(({ text }) => text)).toEqual([
      "failing  /a: why /a",
      "failing  /b: why /b",
      "failing  /c: why /c",
      "… and 1 more in trouble",
    ]);
  });
});
