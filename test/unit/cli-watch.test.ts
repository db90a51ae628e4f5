import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Troubles } from "../../src/admin/dashboard/trouble.ts";
import { SORTS, type SortKey } from "../../src/cli/watch-programs.ts";
import { DETAILS, renderWatch, type Seen } from "../../src/cli/watch-view.ts";
import type { ProgramStatus, Snapshot } from "../../src/status/snapshot.ts";
import { collect } from "../support/collect.ts";
import { sampleSource } from "../support/sample-snapshot.ts";

const sample = collect(sampleSource(), true);
const [program] = sample.programs as [ProgramStatus];
/** The sample with these programs. */
const withPrograms = (...programs: ProgramStatus[]): Snapshot => ({ ...sample, programs });
const named = (name: string, more: Partial<ProgramStatus> = {}): ProgramStatus => ({
  ...program,
  name,
  ...more,
});
const seen = (now: Snapshot | undefined, before?: Snapshot): Seen => ({ now, before, trouble: undefined });
const VIEW = { sort: "n", detail: "requests" } as const;
const textOf = (what: Seen, columns: number, rows = 30, view: Parameters<typeof renderWatch>[1] = VIEW) =>
  renderWatch(what, view, { columns, rows }).map(({ text }) => text);
/** The words of the table's head. */
const columnsAt = (columns: number, sort: SortKey = "n") =>
  textOf(seen(sample), columns, 30, { ...VIEW, sort })
    .find((line) => /PROGRAM$/.test(line))
    ?.trim()
    .split(/ +/) ?? [];

describe("the live status", () => {
  test("has all columns where there is room, and the most useful ones where there is little", () => {
    const all = [
      "START",
      "IDLE",
      "BUSY",
      "ALONE",
      "LEAVE",
      "QUEUE",
      "REQ/S",
      "FAIL/S",
      "P50",
      "P90",
      "P99",
      "CPU",
      "MEM",
    ];
    expect(columnsAt(140)).toEqual([...all, "*PROGRAM"]);
    expect(columnsAt(80)).toEqual(["BUSY", "QUEUE", "REQ/S", "P50", "P99", "CPU", "MEM", "*PROGRAM"]);
    expect(columnsAt(80, "f")).toContain("*FAIL/S");
    expect(columnsAt(30)).toEqual(["*PROGRAM"]);
  });

  test("keeps its columns where names have wide characters", () => {
    const lines = textOf(
      seen(withPrograms(named(`/srv/${"漢字".repeat(30)}.fcgi`), named("/srv/a.fcgi"))),
      80,
    );
    expect(lines.every((line) => Bun.stringWidth(line) <= 80)).toBe(true);
    expect(lines.some((line) => line.endsWith("字.fcgi"))).toBe(true);
  });

  test("shows the end of a path that is too long", () => {
    const path = `/srv/${"very-long-folder/".repeat(10)}shop.fcgi`;
    const line = textOf(seen(withPrograms(named(path))), 80).find((each) => each.endsWith("/shop.fcgi"));
    expect(line).toHaveLength(80);
    expect(line).toContain("…");
  });

  test("tells what happened since the last look, not since the start", () => {
    const later: Snapshot = {
      ...withPrograms(named("/a", { requests: { answered: 121, refused: 1, truncated: 0, client_left: 0 } })),
      uptime_seconds: sample.uptime_seconds + 2,
    };
    const line = textOf(seen(later, withPrograms(named("/a"))), 140).find((each) => each.endsWith("/a"));
    expect(line?.trim().split(/ {2,}/)[6]).toBe("60");
    expect(line?.trim().split(/ {2,}/)[8]).toBe("-");
  });

  test("keeps programs of one name apart: those with the settings of before a reload and those with the new ones", () => {
    const answered = (count: number) => ({ answered: count, refused: 0, truncated: 0, client_left: 0 });
    const both = (old: number, renewed: number, failed: number) =>
      withPrograms(
        named("/a", { settings: "app", requests: answered(old), failed_in_a_row: failed }),
        named("/a", { settings: "php", requests: answered(renewed), failed_in_a_row: 0 }),
      );
    const before = both(100, 40, 1);
    const now = { ...both(120, 100, 1), uptime_seconds: sample.uptime_seconds + 2 };
    const troubles = new Troubles();
    for (const each of [before, now]) troubles.add(each);
    const view = { ...VIEW, sort: "x" } as const;
    const lines = textOf({ ...seen(now, before), judged: troubles.judged }, 160, 30, view)
      .map((each) => each.trim().split(/ {2,}/))
      .filter((words) => words.length > 10 && words.at(-1) === "/a");
    expect(lines.map((words) => [words[0], words[7]])).toEqual([
      ["failing", "10"],
      ["saturated", "30"],
    ]);
  });

  test("of a program that came anew begins at 0", () => {
    const before = withPrograms(
      named("/a", { started: 900, requests: { ...program.requests, answered: 900 } }),
    );
    const now = { ...withPrograms(named("/a")), uptime_seconds: sample.uptime_seconds + 1 };
    const line = textOf(seen(now, before), 140).find((each) => each.endsWith("/a"));
    expect(line?.trim().split(/ {2,}/)[6]).toBe("2.0");
  });

  test("says how many programs it leaves out", () => {
    const many = Array.from({ length: 50 }, (_, index) => named(`/p${index}`));
    const lines = textOf(seen(withPrograms(...many)), 100, 24);
    const table = lines.slice(0, lines.indexOf("", 3));
    const shown = table.filter((line) => /\/p\d+$/.test(line)).length;
    expect(shown).toBeGreaterThan(8);
    expect(lines).toContain(`… and ${50 - shown} more`);
    expect(lines.join()).toContain("all together");
  });

  test("keeps what it has seen while nobody answers, and says so", () => {
    const lines = textOf({ ...seen(sample), trouble: "nobody answers" }, 100);
    expect(lines).toContain("nobody answers");
    expect(lines.join()).toContain(program.name);
    expect(textOf({ ...seen(undefined), trouble: "nobody answers" }, 100)).toContain("nobody answers");
  });

  test("fits every terminal, whatever programs are called", () => {
    const name = fc.string({ unit: "binary", maxLength: 60 });
    const view = {
      sort: fc.constantFrom(...(Object.keys(SORTS) as SortKey[])),
      detail: fc.constantFrom(...DETAILS),
    };
    const size = { columns: fc.integer({ min: 1, max: 200 }), rows: fc.integer({ min: 1, max: 60 }) };
    fc.assert(
      fc.property(fc.array(name), fc.record(view), fc.record(size), (names, chosen, space) => {
        const programs = names.map((each) => named(each));
        const lines = renderWatch(seen(withPrograms(...programs)), chosen, space);
        expect(lines).toHaveLength(space.rows);
        for (const { text } of lines) {
          expect(Bun.stringWidth(text)).toBeLessThanOrEqual(space.columns);
          // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may come through
          expect(text).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
        }
      }),
    );
  });
});
