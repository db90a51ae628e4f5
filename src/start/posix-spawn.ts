import { FFIType, type Pointer, ptr } from "bun:ffi";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { getSystemErrorName } from "node:util";
import { cLibrary } from "../base/c-library.ts";

const { i32, u32, ptr: pointer } = FFIType;
const libc = cLibrary({
  posix_spawn: { args: [pointer, pointer, pointer, pointer, pointer, pointer], returns: i32 },
  posix_spawn_file_actions_init: { args: [pointer], returns: i32 },
  posix_spawn_file_actions_destroy: { args: [pointer], returns: i32 },
  posix_spawn_file_actions_adddup2: { args: [pointer, i32, i32], returns: i32 },
  posix_spawn_file_actions_addchdir_np: { args: [pointer, pointer], returns: i32 },
  posix_spawn_file_actions_addclosefrom_np: { args: [pointer, i32], returns: i32 },
  posix_spawnattr_init: { args: [pointer], returns: i32 },
  posix_spawnattr_setflags: { args: [pointer, i32], returns: i32 },
  posix_spawnattr_setsigdefault: { args: [pointer, pointer], returns: i32 },
  posix_spawnattr_setsigmask: { args: [pointer, pointer], returns: i32 },
  sigfillset: { args: [pointer], returns: i32 },
  unshare: { args: [i32], returns: i32 },
  umask: { args: [u32], returns: u32 },
});

/** Of glibc 2.39 and later. */
const withGroups = cLibrary({ posix_spawnattr_setcgroup_np: { args: [pointer, i32], returns: i32 } });

const POSIX_SPAWN_SETSIGDEF = 4;
const POSIX_SPAWN_SETSIGMASK = 8;
const POSIX_SPAWN_SETSID = 128;
const POSIX_SPAWN_SETCGROUP = 256;
/** More than glibc's posix_spawn_file_actions_t (80 bytes), posix_spawnattr_t (336) and sigset_t (128) have on any machine. */
const STRUCT_BYTES = 512;
const CLONE_FS = 0x200;

export interface PosixSpawn {
  /** The first is a path; no folder is searched. */
  readonly argv: readonly [string, ...string[]];
  /** "NAME=value", a character a byte. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly stdio: readonly [number, number, number];
  /** A descriptor of the folder of the control group that it is born in; only where `canSpawnIntoGroup`. */
  readonly cgroup?: number;
}

/**
 * posix_spawn(3): a process in a session of its own, with default signals, three descriptors and no other. Its environment may hold any
 * bytes, which `Bun.spawn` would take for text (Bun 1.4.5). Whoever calls it waits for its end: see `waitFor` in wait.ts.
 * @throws Error with `code`, the errno's name, as `Bun.spawn` does.
 */
export function posixSpawn({ argv, env, cwd, stdio, cgroup }: PosixSpawn): number {
  const actions = new Uint8Array(STRUCT_BYTES);
  const pid = new Int32Array(1);
  const arguments_ = cStrings(argv.map((text) => Buffer.from(text).toString("latin1")));
  const variables = cStrings(env);
  const folder = Buffer.from(`${cwd}\0`);
  usualAttributes ??= makeAttributes();
  const attributes = cgroup === undefined ? usualAttributes : makeAttributes(cgroup);
  const read = [actions, arguments_, variables, folder, attributes];
  inUse.add(read);
  check("posix_spawn_file_actions_init", libc().posix_spawn_file_actions_init(ptr(actions)));
  try {
    addActions(ptr(actions), ptr(folder), stdio);
    const code = libc().posix_spawn(
      ptr(pid),
      ptr(arguments_.bytes),
      ptr(actions),
      ptr(attributes),
      ptr(arguments_.list),
      ptr(variables.list),
    );
    check("posix_spawn", code);
  } finally {
    libc().posix_spawn_file_actions_destroy(ptr(actions));
    inUse.delete(read);
  }
  return pid[0] as number;
}

function addActions(actions: Pointer, folder: Pointer, stdio: readonly number[]): void {
  for (const [target, fd] of stdio.entries())
    check("dup2", libc().posix_spawn_file_actions_adddup2(actions, fd, target));
  check("closefrom", libc().posix_spawn_file_actions_addclosefrom_np(actions, stdio.length));
  check("chdir", libc().posix_spawn_file_actions_addchdir_np(actions, folder));
}

/** What the call in progress reads: an address alone keeps no object from the collector. */
const inUse = new Set<readonly unknown[]>();
/** The same for all outside of control groups: they say nothing of one process. */
let usualAttributes: Uint8Array | undefined;

function makeAttributes(cgroup?: number): Uint8Array {
  const made = new Uint8Array(STRUCT_BYTES);
  const all = new Uint8Array(STRUCT_BYTES);
  const none = new Uint8Array(STRUCT_BYTES);
  libc().sigfillset(ptr(all));
  check("posix_spawnattr_init", libc().posix_spawnattr_init(ptr(made)));
  const usual = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID;
  const flags = cgroup === undefined ? usual : usual | POSIX_SPAWN_SETCGROUP;
  check("posix_spawnattr_setflags", libc().posix_spawnattr_setflags(ptr(made), flags));
  check("posix_spawnattr_setsigdefault", libc().posix_spawnattr_setsigdefault(ptr(made), ptr(all)));
  check("posix_spawnattr_setsigmask", libc().posix_spawnattr_setsigmask(ptr(made), ptr(none)));
  if (cgroup !== undefined)
    check("posix_spawnattr_setcgroup_np", withGroups().posix_spawnattr_setcgroup_np(ptr(made), cgroup));
  return made;
}

/** Whether posix_spawn(3) can start a process in this control group: a folder of version 2, which alone has such a file (cgroups(7)), and a C library that knows how. */
export function canSpawnIntoGroup(folder: string): boolean {
  try {
    withGroups();
    return existsSync(join(folder, "cgroup.controllers"));
  } catch {
    // There is no such function.
    return false;
  }
}

/** C strings of a character a byte, one behind the other, and an array of where they are, with the null pointer at its end. */
function cStrings(texts: readonly string[]): { readonly bytes: Buffer; readonly list: BigUint64Array } {
  const bytes = Buffer.from(`${texts.join("\0")}\0`, "latin1");
  const list = new BigUint64Array(texts.length + 1);
  let at = BigInt(ptr(bytes));
  for (let i = 0; i < texts.length; i++) {
    list[i] = at;
    at += BigInt((texts[i] as string).length + 1);
  }
  return { bytes, list };
}

function check(what: string, errno: number): void {
  if (errno === 0) return;
  const code = getSystemErrorName(-errno);
  throw Object.assign(new Error(`${code}: ${what} failed`), { code });
}

/** Gives the calling thread a umask of its own; false where that is not allowed, as in some containers. */
export function unshareUmask(): boolean {
  return libc().unshare(CLONE_FS) === 0;
}

/** umask(2) of the calling thread, see `unshareUmask`. */
export function setUmask(mask: number): void {
  libc().umask(mask);
}
