import { CString, FFIType, type Pointer, ptr, read } from "bun:ffi";
import { cLibrary } from "./c-library.ts";

/** A user, as passwd(5) has it. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

/** Whom a process runs as. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
}

const { i32, u32, ptr: pointer } = FFIType;
const libc = cLibrary({
  getpwnam: { args: [pointer], returns: pointer },
  getpwuid: { args: [u32], returns: pointer },
  getgrnam: { args: [pointer], returns: pointer },
  getgrouplist: { args: [pointer, u32, pointer, pointer], returns: i32 },
});
/** What nearly every user has less of. */
const FEW_GROUPS = 64;
/** NGROUPS_MAX of Linux. */
const MAX_GROUPS = 65_536;

/** The highest number of a user or a group: the one above it, -1, means "as it is" to the kernel (setreuid(2)), and those that follow wrap. */
const MAX_ID = 2 ** 32 - 2;

/** The user with this name or number; undefined when there is none. May ask the network (nsswitch.conf(5)). */
export function accountOf(user: string | number): Account | undefined {
  const named = String(user);
  const id = idIn(named);
  if (isNumber(named) && id === undefined) return undefined;
  const entry = id === undefined ? libc().getpwnam(ptr(cString(named))) : libc().getpwuid(id);
  if (entry === null) return undefined;
  // struct passwd: name, password, uid, gid, comment, home, shell.
  const text = (offset: number) => String(new CString(read.ptr(entry as Pointer, offset) as Pointer));
  return {
    name: text(0),
    uid: read.u32(entry as Pointer, 16),
    gid: read.u32(entry as Pointer, 20),
    home: text(32),
    shell: text(40),
  };
}

/** The number of a user, given by name or number; undefined when there is none. */
export function userId(user: string): number | undefined {
  return isNumber(user) ? idIn(user) : accountOf(user)?.uid;
}

/** The number of a group, given by name or number; undefined when there is none. */
export function groupId(group: string): number | undefined {
  if (isNumber(group)) return idIn(group);
  const entry = libc().getgrnam(ptr(cString(group)));
  // struct group: name, password, gid.
  return entry === null ? undefined : read.u32(entry as Pointer, 16);
}

/** The groups that a user is in (initgroups(3)), `gid` among them. */
export function groupsOf(user: string, gid: number): number[] {
  const name = cString(user);
  for (let room = FEW_GROUPS; ; room = MAX_GROUPS) {
    const groups = new Uint32Array(room);
    const count = new Int32Array([room]);
    const isWhole = libc().getgrouplist(ptr(name), gid, ptr(groups), ptr(count)) >= 0;
    if (isWhole || room === MAX_GROUPS) return [...groups.subarray(0, count[0])];
  }
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text);
}

/** The number of a user or a group; undefined for other texts, and for numbers that none can have. */
function idIn(text: string): number | undefined {
  return isNumber(text) && Number(text) <= MAX_ID ? Number(text) : undefined;
}

function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}
