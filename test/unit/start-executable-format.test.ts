import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { hasNoFormat } from "../../src/start/executable-format.ts";
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
    ["a script", "#!/bin/sh\n", false],
    ["lines without #!", "echo hello\n", true],
    ["nothing", "", true],
    ["a script whose interpreter comes after blanks", "#! \t/bin/sh -e\n", false],
    ["a script without the end of its only line", "#!/bin/sh", false],
    ["a script whose interpreter is not there", "#!/nonexistent/sh\n", false],
    ["a script without an interpreter", "#!\n/bin/sh\n", true],
    ["a script with blanks for an interpreter", "#! \t \n", true],
    [
      "a script whose interpreter ends after what the kernel reads",
      `#!/${"./".repeat(124)}bin/sh -e\n`,
      true,
    ],
    ["a script whose interpreter ends in what the kernel reads", `#!/${"./".repeat(123)}bin/sh -e\n`, false],
    ["a script whose interpreter is in no format", "#!./none\n", true],
    ["a script whose interpreter is a script of one in no format", "#!./script\n", true],
    ["a script that is its own interpreter", "#!./file\n", false],
    ["an executable of another machine", elfOf(OTHER_MACHINE), true],
  ])("%s", (_, content, expected) => {
    using dir = makeTempDir();
    writeFileSync(dir.at("none"), "echo hello\n");
    writeFileSync(dir.at("script"), "#!./none\n");
    writeFileSync(dir.at("file"), content);
    expect(hasNoFormat(dir.at("file"), OUR_TOOL, dir.path)).toBe(expected);
  });

  test("an executable of this machine has one", () => {
    expect(hasNoFormat(process.execPath, OUR_TOOL, "/")).toBe(false);
  });

  test("an executable of the tool's machine has one: the kernel is of that where std-fpm itself is emulated", () => {
    using dir = makeTempDir();
    for (const name of ["file", "tool"]) writeFileSync(dir.at(name), elfOf(OTHER_MACHINE));
    expect(hasNoFormat(dir.at("file"), dir.at("tool"), "/")).toBe(false);
    writeFileSync(dir.at("tool"), "#!/bin/sh\n");
    expect(hasNoFormat(dir.at("file"), dir.at("tool"), "/")).toBe(true);
  });
});
