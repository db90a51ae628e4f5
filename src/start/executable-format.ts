import { readdirSync, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { ANY_EXECUTE } from "../base/file-facts.ts";
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
/** An interpreter may be a script itself; the kernel follows so many, and then says ELOOP (exec_binprm; execve(2) says one less). */
const MOST_INTERPRETERS = 5;

/**
 * Which is in no format that the kernel executes: a file, or the interpreter of a script; undefined: none. The tool that executes it then takes it for a
 * script of /bin/sh (execvp(3)), which nobody has asked for. What cannot be read, or executed by anybody, is left to the kernel. `cwd`: where it is executed.
 */
export function withoutFormat(path: string, tool: string, cwd: string, followed = 0): string | undefined {
  const beginning = isExecutable(path) ? beginningOf(path) : undefined;
  if (!beginning || isElfFor(tool, beginning)) return undefined;
  const interpreter = interpreterIn(beginning);
  if (interpreter !== undefined && followed === MOST_INTERPRETERS) return undefined;
  const next = interpreter === undefined ? undefined : resolve(cwd, interpreter);
  const culprit = next === undefined ? path : withoutFormat(next, tool, cwd, followed + 1);
  // Looked at last: nearly every file has a format without them.
  const isRegistered = () => binaryFormats().some((format) => fits(format, beginning, path));
  return culprit !== undefined && isRegistered() ? undefined : culprit;
}

/** By anybody: what cannot be is not opened, whatever a tenant names. To read /proc/kmsg is to take from it. */
function isExecutable(path: string): boolean {
  try {
    return (statSync(path).mode & ANY_EXECUTE) !== 0;
  } catch {
    return false;
  }
}

/** What the kernel takes for the interpreter: undefined in no script, where none is named, or its name is not over in what it reads of a file. */
function interpreterIn(beginning: Buffer): string | undefined {
  if (beginning.toString("latin1", 0, 2) !== "#!") return undefined;
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
