import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { withoutFormat } from "../../src/start/executable-format.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const OUR_TOOL = "/bin/sh";
/** EM_VAX: nobody runs such files here, by whatever emulator. */
const OTHER_MACHINE = 75;

/** The header of an executable, elf(5). */
function elfOf(machine: number): Buffer {
  const header = Buffer.alloc(64);
  header.write("\x7fELF", "latin1");
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(machine, 18);
  return header;
}

describe("a file has no format that a tool could have the kernel execute", () => {
  test.each([
    ["a script", "#!/bin/sh\n", ""],
    ["lines without #!", "echo hello\n", "file"],
    ["nothing", "", "file"],
    ["a script whose interpreter comes after blanks", "#! \t/bin/sh -e\n", ""],
    ["a script without the end of its only line", "#!/bin/sh", ""],
    ["a script whose interpreter is not there", "#!/nonexistent/sh\n", ""],
    ["a script without an interpreter", "#!\n/bin/sh\n", "file"],
    ["a script with blanks for an interpreter", "#! \t \n", "file"],
    [
      "a script whose interpreter ends after what the kernel reads",
      `#!/${"./".repeat(124)}bin/sh -e\n`,
      "file",
    ],
    ["a script whose interpreter ends in what the kernel reads", `#!/${"./".repeat(123)}bin/sh -e\n`, ""],
    ["a script whose interpreter is in no format", "#!./none\n", "none"],
    ["a script whose interpreter is a script of one in no format", "#!./script\n", "none"],
    ["a script whose interpreter nobody may execute: the kernel says so", "#!./text\n", ""],
    ["a script of which the fifth interpreter is in no format", "#!./second\n", "none"],
    ["a script with more interpreters than the kernel follows", "#!./first\n", ""],
    ["a script that is its own interpreter", "#!./file\n", ""],
    ["an executable of another machine", elfOf(OTHER_MACHINE), "file"],
  ])("%s", (_, content, expected) => {
    using dir = makeTempDir();
    const put = (name: string, text: string | Buffer, mode = 0o755) =>
      writeFileSync(dir.at(name), text, { mode });
    put("none", "echo hello\n");
    put("text", "echo hello\n", 0o644);
    put("script", "#!./none\n");
    put("fifth", "#!./none\n");
    for (const [name, next] of [
      ["fourth", "fifth"],
      ["third", "fourth"],
      ["second", "third"],
      ["first", "second"],
    ])
      put(name as string, `#!./${next}\n`);
    put("file", content);
    expect(withoutFormat(dir.at("file"), OUR_TOOL, dir.path)).toBe(
      expected === "" ? undefined : dir.at(expected),
    );
  });

  test("an executable of this machine has one", () => {
    expect(withoutFormat(process.execPath, OUR_TOOL, "/")).toBeUndefined();
  });

  test("an executable of the tool's machine has one: the kernel is of that where std-fpm itself is emulated", () => {
    using dir = makeTempDir();
    for (const name of ["file", "tool"]) writeFileSync(dir.at(name), elfOf(OTHER_MACHINE), { mode: 0o755 });
    expect(withoutFormat(dir.at("file"), dir.at("tool"), "/")).toBeUndefined();
    writeFileSync(dir.at("tool"), "#!/bin/sh\n");
    expect(withoutFormat(dir.at("file"), dir.at("tool"), "/")).toBe(dir.at("file"));
  });
});
