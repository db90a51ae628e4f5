import { CString, dlopen, FFIType, type Pointer, ptr, read } from "bun:ffi";
import { FpmError } from "./errors.ts";

/** A user, as passwd(5) has it. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** Whom a process runs as. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
}

const { i32, i64, u32, ptr: pointer, cstring } = FFIType;
const SYMBOLS = {
  getpwnam: { args: [pointer], returns: pointer },
  getpwuid: { args: [u32], returns: pointer },
  getgrnam: { args: [pointer], returns: pointer },
  getgrouplist: { args: [pointer, u32, pointer, pointer], returns: i32 },
  syscall: { args: [i64, i64, i64, i64], returns: i64 },
  __errno_location: { args: [], returns: pointer },
  strerror: { args: [i32], returns: cstring },
} as const;
/** Numbers of the system calls; glibc's functions of these names would change every thread. */
const CALLS = {
  x64: { getgroups: 115, setgroups: 116, setresuid: 117, setresgid: 119 },
  arm64: { getgroups: 158, setgroups: 159, setresuid: 147, setresgid: 149 },
} as const;
type Call = keyof (typeof CALLS)["x64"];
/** NGROUPS_MAX of Linux. */
const MAX_GROUPS = 65_536;

type Libc = ReturnType<typeof dlopen<typeof SYMBOLS>>["symbols"];
let loaded: Libc | undefined;

function libc(): Libc {
  loaded ??= dlopen("libc.so.6", SYMBOLS).symbols;
  return loaded;
}

/** The user with this name or number; undefined when there is none. May ask the network (nsswitch.conf(5)). */
export function accountOf(user: string | number): Account | undefined {
  const isNumber = typeof user === "number" || /^\d+$/.test(user);
  const entry = isNumber ? libc().getpwuid(Number(user)) : libc().getpwnam(ptr(cString(String(user))));
  if (entry === null) return undefined;
  // struct passwd: name, password, uid, gid, comment, home.
  const text = (offset: number) => String(new CString(read.ptr(entry as Pointer, offset) as Pointer));
  return {
    name: text(0),
    uid: read.u32(entry as Pointer, 16),
    gid: read.u32(entry as Pointer, 20),
    home: text(32),
  };
}

/** The number of a user, given by name or number; undefined when there is none. */
export function userId(user: string): number | undefined {
  return /^\d+$/.test(user) ? Number(user) : accountOf(user)?.uid;
}

/** The number of a group, given by name or number; undefined when there is none. */
export function groupId(group: string): number | undefined {
  if (/^\d+$/.test(group)) return Number(group);
  const entry = libc().getgrnam(ptr(cString(group)));
  // struct group: name, password, gid.
  return entry === null ? undefined : read.u32(entry as Pointer, 16);
}

/** The groups that a user is in (initgroups(3)), `gid` among them. */
export function groupsOf(user: string, gid: number): number[] {
  const groups = new Uint32Array(MAX_GROUPS);
  const count = new Int32Array([MAX_GROUPS]);
  libc().getgrouplist(ptr(cString(user)), gid, ptr(groups), ptr(count));
  return [...groups.subarray(0, count[0])];
}

/**
 * Calls `action` as another user. Only the calling thread changes, and what it starts: a program then runs with these
 * numbers for good (after exec its saved number is not root's any more), is looked up and entered with that user's rights,
 * and keeps the signal for the death of its parent, which a change after the fork would take away.
 * @throws FpmError SYSTEM_CALL, and what `action` throws.
 */
export function runAs<Result>(identity: Identity, action: () => Result): Result {
  const ownGroups = new Uint32Array(MAX_GROUPS);
  const ownGroupCount = call("getgroups", MAX_GROUPS, ptr(ownGroups));
  const ownUid = process.geteuid?.() ?? 0;
  const ownGid = process.getegid?.() ?? 0;
  const groups = Uint32Array.from(identity.groups.length > 0 ? identity.groups : [identity.gid]);
  try {
    call("setgroups", groups.length, ptr(groups));
    call("setresgid", identity.gid, identity.gid, ownGid);
    call("setresuid", identity.uid, identity.uid, ownUid);
    return action();
  } finally {
    // Root's right to change groups must come back first.
    call("setresuid", ownUid, ownUid, ownUid);
    call("setresgid", ownGid, ownGid, ownGid);
    call("setgroups", ownGroupCount, ptr(ownGroups));
  }
}

function call(name: Call, first: number, second: number, third = 0): number {
  const number = CALLS[process.arch as keyof typeof CALLS][name];
  const result = Number(libc().syscall(number, first, second, third));
  if (result >= 0) return result;
  const reason = String(libc().strerror(read.i32(libc().__errno_location() as Pointer, 0)));
  throw new FpmError("SYSTEM_CALL", "daemon", `${name} failed: ${reason}.`);
}

function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}
