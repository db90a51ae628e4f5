import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { beginningOf, FIRST_BYTES } from "./exec-failure.ts";

/** elf(5): the header of a 32-bit file is this long, that of a 64-bit one longer. */
const ELF_HEADER_BYTES = 52;
const TYPE_AT = 16;
const MACHINE_AT = 18;
/** ET_EXEC and ET_DYN. */
const TYPES: readonly number[] = [2, 3];
/** EM_X86_64 and EM_386; EM_AARCH64 and EM_ARM. */
const MACHINES: Readonly<Record<string, readonly number[]>> = { x64: [62, 3], arm64: [183, 40] };
const BINFMT = "/proc/sys/fs/binfmt_misc";
/** An interpreter may be a script itself; the kernel follows so many, and then says ELOOP (execve(2)). */
const MOST_INTERPRETERS = 4;

/**
 * Whether a file, or the interpreter of a script, is in no format that the kernel executes. The tool that executes it then takes it for a script of
 * /bin/sh (execvp(3)), which nobody has asked for. A file that cannot be read is left to the kernel. `cwd`: where it is executed.
 */
export function hasNoFormat(path: string, tool: string, cwd: string, followed = 0): boolean {
  const beginning = beginningOf(path);
  if (!beginning || isElfFor(tool, beginning)) return false;
  if (binaryFormats().some((format) => fits(format, beginning, path))) return false;
  if (beginning.toString("latin1", 0, 2) !== "#!") return true;
  const interpreter = interpreterIn(beginning);
  if (interpreter === undefined) return true;
  return followed < MOST_INTERPRETERS && hasNoFormat(resolve(cwd, interpreter), tool, cwd, followed + 1);
}

/** What the kernel takes for the interpreter: undefined where none is named, or its name is not over in what it reads of a file. */
function interpreterIn(beginning: Buffer): string | undefined {
  const text = beginning.toString("latin1", 2);
  const [, name, end] = /^[ \t]*([^ \t\n\0]+)([ \t\n\0]?)/.exec(text) ?? [];
  const isWhole = end !== "" || beginning.length < FIRST_BYTES;
  return name !== undefined && isWhole ? Buffer.from(name, "latin1").toString() : undefined;
}

/** For our machine, or for the one that the tool is made for: where std-fpm runs in an emulator, that is the kernel's. */
function isElfFor(tool: string, bytes: Buffer): boolean {
  const machine = elfMachine(bytes);
  if (machine === undefined || !TYPES.includes(bytes.readUInt16LE(TYPE_AT))) return false;
  if (MACHINES[process.arch]?.includes(machine)) return true;
  const toolBytes = beginningOf(tool);
  return toolBytes !== undefined && elfMachine(toolBytes) === machine;
}

function elfMachine(bytes: Buffer): number | undefined {
  const isElf = bytes.length >= ELF_HEADER_BYTES && bytes.toString("latin1", 0, 4) === "\x7fELF";
  return isElf ? bytes.readUInt16LE(MACHINE_AT) : undefined;
}

/** What an administrator has registered beside: texts of "key value" lines (binfmt_misc, in the kernel's documentation). */
function binaryFormats(): string[] {
  try {
    return readdirSync(BINFMT)
      .filter((name) => name !== "register" && name !== "status")
      .map((name) => readFileSync(`${BINFMT}/${name}`, "latin1"))
      .filter((format) => format.startsWith("enabled"));
  } catch {
    return [];
  }
}

function fits(format: string, beginning: Buffer, path: string): boolean {
  const value = (key: string) => new RegExp(`^${key} \\.?(\\S+)$`, "m").exec(format)?.[1];
  const extension = value("extension");
  if (extension !== undefined) return path.endsWith(`.${extension}`);
  const magic = Buffer.from(value("magic") ?? "", "hex");
  const mask = Buffer.from(value("mask") ?? "ff".repeat(magic.length), "hex");
  const found = beginning.subarray(Number(value("offset") ?? 0)).subarray(0, magic.length);
  const isSame = magic.every((byte, at) => ((found[at] ?? 0) & (mask[at] ?? 0)) === (byte & (mask[at] ?? 0)));
  return magic.length > 0 && found.length === magic.length && isSame;
}
