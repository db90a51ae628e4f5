import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { generatedFiles } from "../../scripts/generated.ts";
import { COMMANDS } from "../../src/cli/cli.ts";

const read = (file: string) => Bun.file(join(import.meta.dir, "../..", file)).text();
const files = await generatedFiles(read);

describe("what is made from the source", () => {
  test.each([...files.keys()])("%s is up to date (make generated)", async (file) => {
    expect(await read(file)).toBe(files.get(file) as string);
  });

  test("the manual and the completions know every command", () => {
    for (const file of [
      "man/std-fpm.8",
      "completions/std-fpm.bash",
      "completions/_std-fpm",
      "completions/std-fpm.fish",
    ])
      for (const name of Object.keys(COMMANDS))
        expect(files.get(file)?.replaceAll("\\-", "-")).toContain(name);
  });
});
