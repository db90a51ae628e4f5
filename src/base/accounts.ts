import { FFIType, type Pointer, ptr } from "bun:ffi";
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

const { i32, u32, u64, ptr: pointer } = FFIType;
/** Those with _r: the others have one answer for all threads, and starters look up several users at a time. */
const libc = cLibrary({
  getpwnam_r: { args: [pointer, pointer, pointer, u64, pointer], returns: i32 },
  getpwuid_r: { args: [u32, pointer, pointer, u64, pointer], returns: i32 },
  getgrnam_r: { args: [pointer, pointer, pointer, u64, pointer], returns: i32 },
  getgrouplist: { args: [pointer, u32, pointer, pointer], returns: i32 },
});
/** struct passwd is name, password, uid, gid, comment, home, shell; struct group is name, password, gid, members. */
const STRUCT_BYTES = 64;
const [NAME_AT, UID_AT, GID_AT, HOME_AT, SHELL_AT] = [0, 16, 20, 32, 40];
const GROUP_GID_AT = 16;
const ERANGE = 34;
/** Room for the texts of an entry: nearly always enough, and so much that only a group with ten thousands of members needs more. */
const USUAL_ROOM = 16 * 1024;
const MOST_ROOM = 16 * 1024 * 1024;
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
  const name = cString(named);
  const { getpwnam_r, getpwuid_r } = libc();
  const entry =
    id === undefined
      ? entryBy((...room) => getpwnam_r(ptr(name), ...room))
      : entryBy((...room) => getpwuid_r(id, ...room));
  if (entry === undefined) return undefined;
  return {
    name: entry.text(NAME_AT),
    uid: entry.number(UID_AT),
    gid: entry.number(GID_AT),
    home: entry.text(HOME_AT),
    shell: entry.text(SHELL_AT),
  };
}

/** The number of a user, given by name or number; undefined when there is none. */
export function userId(user: string): number | undefined {
  return isNumber(user) ? idIn(user) : accountOf(user)?.uid;
}

/** The number of a group, given by name or number; undefined when there is none. */
export function groupId(group: string): number | undefined {
  if (isNumber(group)) return idIn(group);
  const name = cString(group);
  return entryBy((...room) => libc().getgrnam_r(ptr(name), ...room))?.number(GROUP_GID_AT);
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

/** An entry of the user database, by the offset of its fields. */
interface Entry {
  number(at: number): number;
  text(at: number): string;
}

/** Where a look-up is to put what it finds: the struct, its texts, how many bytes these may take, and a pointer to the struct, or null. */
type Room = [struct: Pointer, texts: Pointer, bytes: number, found: Pointer];

/** What a look-up finds; undefined where there is none, or where nobody can be asked. */
function entryBy(lookUp: (...room: Room) => number): Entry | undefined {
  for (let room = USUAL_ROOM; ; room *= 8) {
    const struct = new DataView(new ArrayBuffer(STRUCT_BYTES));
    const texts = Buffer.alloc(room);
    const found = new BigUint64Array(1);
    const error = lookUp(ptr(struct), ptr(texts), room, ptr(found));
    if (error === ERANGE && room < MOST_ROOM) continue;
    if (error !== 0 || found[0] === 0n) return undefined;
    const start = BigInt(ptr(texts));
    return {
      number: (at) => struct.getUint32(at, true),
      text(at) {
        const from = Number(struct.getBigUint64(at, true) - start);
        return texts.toString("utf8", from, texts.indexOf(0, from));
      },
    };
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
