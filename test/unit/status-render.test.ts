import { describe, expect, test } from "bun:test";
import { METRICS } from "../../src/status/metrics.ts";
import { renderText } from "../../src/status/render-text.ts";
import { renderTable, widthOf } from "../../src/status/table.ts";
import { formatBytes, formatSeconds, formatShare } from "../../src/status/units.ts";
import { collect } from "../support/collect.ts";
import { sampleSource } from "../support/sample-snapshot.ts";

const snapshot = collect(sampleSource(), true);

describe("times and sizes for people", () => {
  test.each<[number | null, string]>([
    [null, "-"],
    [0, "0 ms"],
    [0.00025, "0.3 ms"],
    [0.0125, "13 ms"],
    [0.9999, "1 s"],
    [59.94, "60 s"],
    [200, "3 m 20 s"],
    [3600, "1 h 0 m"],
    [190_800, "2 d 5 h"],
  ])("%p s is %p", (seconds, text) => expect(formatSeconds(seconds)).toBe(text));

  test.each<[number | null, string]>([
    [null, "-"],
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1 KiB"],
    [4.5 * 1024, "4.5 KiB"],
    [2 ** 20 - 1, "1 MiB"],
    [2 ** 50, "1024 TiB"],
  ])("%p bytes are %p", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  test("a share is in per cent", () =>
    expect([formatShare(0.256), formatShare(null)]).toEqual(["26 %", "-"]));
});

test("a table's columns are as wide as they must be, and no line ends in a space", () => {
  const columns = [
    { head: "N", align: "right" },
    { head: "NAME", align: "left" },
  ] as const;
  expect(renderTable(columns, [["100", "a"], ["1"]])).toEqual(["  N  NAME", "100  a", "  1"]);
});

describe("the text", () => {
  const text = renderText(snapshot);

  test("has a line for each program, its processes, and what went wrong last", () => {
    expect(text).toStartWith(
      "std-fpm 1.2.3, pid 1: running for 1 h 2 m\n6 of 64 processes on 2 cores, 3 connections,",
    );
    expect(text).toContain("/srv/gone.fcgi (no processes)\n");
    expect(text).toContain("refused before they came to a program: PROTOCOL 1\n");
    expect(text).toContain("POST /shop/cart (1 s)\n");
    expect(text).toContain("  3 starts failed in a row; the next one is tried in 700 ms\n");
  });

  test("lets nobody steer the terminal", () => {
    expect(text).toContain('BACKEND_BROKEN: it said "no"\\x0a\\x1b[31m');
    expect(text).not.toContain("\x1b");
  });
});

describe("the metrics", () => {
  test("have each name once, and only characters that are allowed", () => {
    const names = METRICS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^std_fpm[a-z_]*$/);
  });

  test("have the labels that the documentation names", () => {
    for (const { labels, of, own } of METRICS)
      for (const sample of [...snapshot.programs.flatMap(of), ...own(snapshot)]) {
        const named = [...sample.labels.matchAll(/(\w+)="/g)].map(([, label]) => label ?? "");
        expect(named.filter((label) => !labels.includes(label))).toEqual([]);
      }
  });
});

test("in a terminal no line of the table is longer than that, and the letters are explained", () => {
  const snapshot = collect(sampleSource(), false);
  const [program] = snapshot.programs;
  const long = {
    ...snapshot,
    programs: [
      { ...(program as (typeof snapshot.programs)[number]), name: `/srv/${"x".repeat(200)}/end.fcgi` },
    ],
  };
  for (const places of [60, 80, 120, 200]) {
    const table = renderText(long, places)
      .split("\n")
      .filter((line) => / {2}(?:PROGRAM|.*end\.fcgi|all together)$/.test(line));
    expect(table).toHaveLength(3);
    for (const line of table) expect(line.length).toBeLessThanOrEqual(places);
    expect(table[1]).toEndWith("/end.fcgi");
  }
  expect(renderText(long, 200)).toContain("S: time of a request\nB: time of a start\n");
  expect(renderText(long, 60)).not.toContain("B: time of a start");
  expect(renderText(long)).not.toContain("time of a request");
});

describe("in a terminal of any width", () => {
  const long = "/srv/www/a/long/way/to/the/program.fcgi";
  const source = sampleSource();
  const whole = collect(source, true);
  const programs = whole.programs.map((program) => ({
    ...program,
    name: long,
    process_list: (program.process_list ?? []).map((process) => ({
      ...process,
      requests: process.requests.map((request) => ({ ...request, uri: `/${"x".repeat(150)}` })),
    })),
    last_error: program.last_error && {
      ...program.last_error,
      message: `${"y".repeat(150)} and much more 漢字`,
    },
  }));
  const snapshot = { ...whole, programs };

  test("no line is wider, from 20 columns on", () => {
    for (let places = 20; places <= 200; places++)
      for (const line of renderText(snapshot, places).split("\n"))
        expect([places, line, widthOf(line) <= places]).toEqual([places, line, true]);
    expect(renderText(snapshot, 5)).toBe(renderText(snapshot, 20));
  });

  test("a readable part of names and requests stays, with the time that these take", () => {
    const lines = (places: number) => renderText(snapshot, places).split("\n");
    expect(lines(40)).toContainEqual(expect.stringMatching(/^BUSY {2}QUEUE {2}PROGRAM$/));
    for (const places of [20, 30, 40, 60, 80]) {
      expect(lines(places)).toContainEqual(expect.stringMatching(/^ .*\d.* …?\S*am\.fcgi$/));
      expect(lines(places)).toContainEqual(expect.stringMatching(/^ +13 .*POST.*… \(1 s\)$/));
    }
    expect(lines(80)[1]).toBe(
      "6 of 64 processes on 2 cores, 3 connections, 2 requests at work, 4 waiting, 3",
    );
    expect(lines(80)[2]).toBe("  since the start");
  });

  test("a pipe gets every line whole", () => {
    const text = renderText(snapshot);
    for (const part of ["y".repeat(150), "x".repeat(150), `\n${long}\n`, " waiting, 3 since the start\n"])
      expect(text).toContain(part);
  });
});
