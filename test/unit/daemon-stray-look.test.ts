import { describe, expect, test } from "bun:test";
import { startTicksOf } from "../../src/backend/usage.ts";
import { StrayLook, stillThere } from "../../src/daemon/stray-look.ts";

const OURS = process.pid;
/** Somebody who was started by the first process, and has started others, as atd(8). */
const ATD = 50;
const SUBUID = 1_000_000;

interface Row {
  readonly parent: number;
  readonly name?: string;
  readonly uid?: number;
  /** "stands": it does not let itself be read. */
  readonly mark?: "ours" | "stands";
}

/** A look at these processes, beside the first one, ourselves and atd; which of them it finds, and which it has read, in their order. */
async function lookAt(rows: Readonly<Record<number, Row>>) {
  const all: Readonly<Record<number, Row>> = {
    1: { parent: 0, name: "systemd", uid: 0 },
    [OURS]: { parent: 1, uid: 0 },
    [ATD]: { parent: 1, uid: 0 },
    ...rows,
  };
  const read: number[] = [];
  const look = new StrayLook(
    {
      begin() {},
      async isMarked(pid) {
        read.push(pid);
        return all[pid]?.mark === "ours";
      },
    },
    {
      all: () =>
        Object.entries(all).map(([pid, { parent, name = "job" }]) => {
          return { pid: Number(pid), parent, name, startTicks: `t${pid}` };
        }),
      userOf: (pid) => all[pid]?.uid ?? 33,
    },
  );
  return { found: (await look.strays()).map(({ pid }) => pid), read };
}

describe("a look for strays", () => {
  test.each<[what: string, rows: Readonly<Record<number, Row>>, found: number[]]>([
    ["the first process has adopted", { 100: { parent: 1, mark: "ours" } }, [100]],
    ["we have adopted", { 100: { parent: OURS, mark: "ours" } }, [100]],
    [
      "a user's systemd has adopted",
      { 60: { parent: 1, name: "systemd", uid: 1000 }, 100: { parent: 60, mark: "ours" } },
      [100],
    ],
    [
      "such a systemd has adopted that somebody else has started",
      { 60: { parent: ATD, name: "systemd" }, 100: { parent: 60, mark: "ours" } },
      [100],
    ],
    ["comes from outside of the container", { 100: { parent: 0, mark: "ours" } }, [100]],
    [
      "one that was found has started",
      {
        100: { parent: 1, mark: "ours" },
        101: { parent: 100, mark: "ours" },
        102: { parent: 101, mark: "ours" },
      },
      [100, 101, 102],
    ],
    [
      "has the mark itself, and is called systemd",
      { 60: { parent: 1, name: "systemd", mark: "ours" }, 100: { parent: 60, mark: "ours" } },
      [60, 100],
    ],
  ])("finds what %s", async (_what, rows, found) => {
    expect((await lookAt(rows)).found.toSorted((a, b) => a - b)).toEqual(found);
  });

  test.each<[what: string, rows: Readonly<Record<number, Row>>]>([
    ["has no mark", { 100: { parent: 1 } }],
    ["somebody else has started", { 100: { parent: ATD, mark: "ours" } }],
    [
      "somebody else has started by a systemd with the mark",
      { 60: { parent: ATD, name: "systemd", mark: "ours" }, 100: { parent: 60, mark: "ours" } },
    ],
    [
      "one without the mark has started",
      { 100: { parent: 1 }, 101: { parent: 100, mark: "ours" }, 102: { parent: 101, mark: "ours" } },
    ],
    [
      "one that cannot be read has started",
      { 100: { parent: 1, mark: "stands" }, 101: { parent: 100, mark: "ours" } },
    ],
    [
      "names itself as its parent, read at two moments",
      { 100: { parent: 101, mark: "ours" }, 101: { parent: 100, mark: "ours" } },
    ],
  ])("does not find what %s", async (_what, rows) => {
    expect((await lookAt(rows)).found).toEqual([]);
  });

  test("reads only what may be one: one of each user, those of whom one user may have many last, and then the next of each", async () => {
    const { read } = await lookAt({
      100: { parent: 1, uid: SUBUID },
      101: { parent: 100 },
      102: { parent: ATD, mark: "ours" },
      103: { parent: OURS, uid: 1000, mark: "ours" },
      104: { parent: 103, uid: 1000 },
      105: { parent: 104, uid: 1000 },
      106: { parent: 1, uid: 33 },
    });
    expect(read).toEqual([1, 106, 103, 100, ATD, 104]);
  });
});

test("what has been found is left alone when its pid is another process's by then", () => {
  const found = { pid: process.pid, parent: 1, name: "job" };
  const startTicks = startTicksOf(process.pid) ?? "";
  expect(stillThere([{ ...found, startTicks }])).toEqual([process.pid]);
  expect(stillThere([{ ...found, startTicks: `${startTicks}0` }])).toEqual([]);
});
