import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const project = join(import.meta.dir, "../..");
const read = (path: string) => readFileSync(join(project, path), "utf8");

test("docs/errors.md explains every error code, and no other", () => {
  const declared = [...read("src/base/errors.ts").matchAll(/^ {2}\| "([A-Z_]+)"/gm)].map(
    ([, code]) => code as string,
  );
  const rows = read("docs/errors.md")
    .split("\n")
    .filter((line) => line.startsWith("| `"));
  const explained = rows.flatMap((row) =>
    [...(row.split("|")[1] ?? "").matchAll(/`([A-Z_]+)`/g)].map(([, code]) => code as string),
  );
  expect(declared.length).toBeGreaterThan(20);
  expect(explained.sort()).toEqual(declared.sort());
});
