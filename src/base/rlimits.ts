import { FFIType, ptr } from "bun:ffi";
import { cLibrary } from "./c-library.ts";

/** Resources of setrlimit(2), by the numbers that x86-64 and arm64 Linux agree on. */
const RESOURCES = { cpu: 0, core: 4, nproc: 6, nofile: 7, as: 9 } as const;

export type Resource = keyof typeof RESOURCES;

/** The soft and the hard limit of a resource. */
export interface ResourceLimit {
  readonly soft: number;
  readonly hard: number;
}

const { i32, ptr: pointer } = FFIType;
const libc = cLibrary({ prlimit: { args: [i32, i32, pointer, pointer], returns: i32 } });

function prlimit(
  pid: number,
  resource: Resource,
  set: BigUint64Array | null,
  get: BigUint64Array | null,
): boolean {
  return libc().prlimit(pid, RESOURCES[resource], set && ptr(set), get && ptr(get)) === 0;
}

/** A process's limits (0: our own); undefined when it has gone. "No limit" is a number above 2^63. */
export function resourceLimit(pid: number, resource: Resource): ResourceLimit | undefined {
  const limits = new BigUint64Array(2);
  if (!prlimit(pid, resource, null, limits)) return undefined;
  return { soft: Number(limits[0]), hard: Number(limits[1]) };
}

/** Sets our own soft limit; the hard one stays. False where the system does not let us. */
export function setSoftLimit(resource: Resource, value: number): boolean {
  const limits = new BigUint64Array(2);
  if (!prlimit(0, resource, null, limits)) return false;
  limits[0] = BigInt(value);
  return prlimit(0, resource, limits, null);
}
