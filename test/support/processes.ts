import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { readInto } from "../../src/base/bounded-read.ts";

const MOST_ENVIRONMENT_BYTES = 2 * 1024 * 1024;

/** The processes whose environment holds `NAME=value`, zombies left out. */
export function processesWithVariable(name: string, value: string): number[] {
  const wanted = Buffer.from(`\0${name}=${value}\0`);
  // A test may make one longer than can be read.
  const buffer = Buffer.alloc(MOST_ENVIRONMENT_BYTES);
  return allPids().filter((pid) => {
    const end = isAlive(pid) ? readInto(buffer.subarray(1), `/proc/${pid}/environ`) : 0;
    return buffer.subarray(0, 1 + end).includes(wanted);
  });
}

/** The children, grandchildren and so on of a process. */
export function descendantsOf(pid: number): number[] {
  const parents = new Map(allPids().map((each) => [each, parentOf(each)]));
  const found = new Set([pid]);
  for (let size = 0; size !== found.size; ) {
    size = found.size;
    for (const [child, parent] of parents) if (found.has(parent)) found.add(child);
  }
  found.delete(pid);
  return [...found];
}

/** Whether a process runs; a zombie does not. */
export function isAlive(pid: number): boolean {
  const state = statFields(pid)[0];
  return state !== undefined && state !== "Z" && state !== "X";
}

/** The executable that a process runs: in an emulator the first file beside the emulator's own that is mapped. */
export function executableOf(pid: number): string | undefined {
  const executable = readlinkSync(`/proc/${pid}/exe`);
  if (!basename(executable).startsWith("qemu-")) return executable;
  const files = [...read(`/proc/${pid}/maps`).matchAll(/ (\/.*)$/gm)].map(([, path]) => path);
  return files.find((path) => path !== executable);
}

/** The memory a process holds, in bytes. */
export function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`));
  return Number(line?.[1] ?? 0) * 1024;
}

/** The most memory a process ever held, in bytes. */
export function peakResidentBytes(pid: number): number {
  const line = /^VmHWM:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`));
  return Number(line?.[1] ?? 0) * 1024;
}

/** The processor time a process has used so far, in milliseconds (user and system). */
export function cpuMs(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 10;
}

/** The processor time a process has used so far, in milliseconds, in user mode and in the kernel. */
export function cpuTimes(pid: number): { readonly userMs: number; readonly kernelMs: number } {
  const fields = statFields(pid);
  return { userMs: Number(fields[11] ?? 0) * 10, kernelMs: Number(fields[12] ?? 0) * 10 };
}

/** What the descriptors of a process are, by number: "socket:[123]", "/dev/null", … */
export function descriptorsOf(pid: number): Map<number, string> {
  const found = new Map<number, string>();
  for (const name of list(`/proc/${pid}/fd`)) {
    try {
      found.set(Number(name), readlinkSync(`/proc/${pid}/fd/${name}`));
    } catch {
      // closed meanwhile
    }
  }
  return found;
}

/** How many descriptors of this process lead to something below a folder. */
export function openBelow(folder: string): number {
  return [...descriptorsOf(process.pid).values()].filter((target) => target.startsWith(`${folder}/`)).length;
}

function parentOf(pid: number): number {
  return Number(statFields(pid)[1] ?? 0);
}

// The fields after the command's name, which may hold anything: state, ppid, …
function statFields(pid: number): string[] {
  const stat = read(`/proc/${pid}/stat`);
  return stat === "" ? [] : stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function allPids(): number[] {
  return list("/proc").map(Number).filter(Number.isInteger);
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
