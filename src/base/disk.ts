import {
  accessSync,
  type BigIntStats,
  type Dirent,
  lstatSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { access, lstat, readdir, readlink, realpath, stat } from "node:fs/promises";

/** What is asked of a file system. Whatever does not work throws, with the `code` of node:fs. */
export interface Disk {
  lstat(path: string): Stats | Promise<Stats>;
  /** Links followed. */
  stat(path: string): BigIntStats | Promise<BigIntStats>;
  readlink(path: string): string | Promise<string>;
  realpath(path: string): string | Promise<string>;
  access(path: string, mode: number): void | Promise<void>;
  readdir(path: string): Dirent[] | Promise<Dirent[]>;
}

/** At once, however long that takes: for threads that may stand. */
export const standingDisk: Disk = {
  lstat: (path) => lstatSync(path),
  stat: (path) => statSync(path, { bigint: true }),
  readlink: (path) => readlinkSync(path),
  realpath: (path) => realpathSync(path),
  access: (path, mode) => accessSync(path, mode),
  readdir: (path) => readdirSync(path, { withFileTypes: true }),
};

/** By the threads of the runtime, which are few: for what an administrator names, not for what a request does. */
export const pooledDisk: Disk = {
  lstat: (path) => lstat(path),
  stat: (path) => stat(path, { bigint: true }),
  readlink: (path) => readlink(path),
  realpath: (path) => realpath(path),
  access: (path, mode) => access(path, mode),
  readdir: (path) => readdir(path, { withFileTypes: true }),
};

/** Device, inode, time and size: another text is another file, or another version of it. */
export function identityOf({ dev, ino, mtimeNs, size }: BigIntStats): string {
  return `${dev}:${ino}:${mtimeNs}:${size}`;
}
