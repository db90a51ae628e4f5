import { afterAll, describe, expect, test } from "bun:test";
import { truncateSync, writeFileSync } from "node:fs";
import { beginningOfText, readInto } from "../../src/base/bounded-read.ts";
import { MarkLook } from "../../src/daemon/marks.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const KIB = 1024;
const MARK = "STD_FPM_INSTANCE=3f2a";
const processes: ReturnType<typeof Bun.spawn>[] = [];
afterAll(() => {
  for (const each of processes) each.kill("SIGKILL");
});

/** A process with these variables, in this order. */
async function start(...variables: string[]): Promise<number> {
  const env = Object.fromEntries(
    variables.map((each) => each.split(/=(.*)/s).slice(0, 2) as [string, string]),
  );
  const job = Bun.spawn(["/bin/sleep", "1000"], { env });
  processes.push(job);
  const text = (name: string) => beginningOfText(`/proc/${job.pid}/${name}`);
  // Before, both are those of whoever has started it.
  await waitUntil("it is executed", () => text("cmdline").startsWith("/bin/sleep") && text("environ") !== "");
  return job.pid;
}

/** So many KiB of variables, none longer than the kernel takes. */
const filling = (kib: number) =>
  Array.from({ length: kib / 64 }, (_, index) => `FILL_${index}=${"x".repeat(64 * KIB - 20)}`);

describe("a look for the mark of an instance", () => {
  test.each([
    ["the first variable", [MARK, "A=1"]],
    ["a later one", ["A=1", MARK]],
    ["behind what is read first", [...filling(256), MARK, "A=1"]],
    ["across the end of what is read first", [`A=${"x".repeat(64 * KIB - 12)}`, MARK]],
  ])("finds %s", async (_where, variables) => {
    expect(new MarkLook("3f2a").finds(await start(...variables))).toBe(true);
  });

  test.each([
    ["another instance", [`${MARK}b`]],
    ["the text inside of another variable", [`A=${MARK}`, `X_${MARK}`]],
    ["no mark in a long environment", filling(256)],
  ])("does not take %s for it", async (_what, variables) => {
    expect(new MarkLook("3f2a").finds(await start(...variables))).toBe(false);
  });

  test("nor a process that has gone", () => {
    expect(new MarkLook("3f2a").finds(0)).toBe(false);
  });

  test("reads long environments only so often, and the beginning of each", async () => {
    const [late, first] = [await start(...filling(1024), MARK), await start(MARK, ...filling(1024))];
    const look = new MarkLook("3f2a");
    const found = Array.from({ length: 64 }, () => look.finds(late));
    expect([found[0], found.at(-1)]).toEqual([true, false]);
    expect(look.finds(first)).toBe(true);
    expect(new MarkLook("3f2a").finds(late)).toBe(true);
  });
});

test("of a file of any length no more is read than there is room for", () => {
  using dir = makeTempDir();
  writeFileSync(dir.at("long"), "abc");
  truncateSync(dir.at("long"), 8 * 1024 ** 3);
  const buffer = Buffer.alloc(5, "x");
  expect([readInto(buffer, dir.at("long")), buffer.toString("latin1")]).toEqual([5, "abc\0\0"]);
  expect(beginningOfText(dir.at("long"))).toHaveLength(64 * KIB);
  expect([readInto(buffer, dir.at("none")), beginningOfText(dir.at("none"))]).toEqual([0, ""]);
});
