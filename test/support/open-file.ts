import { fstatSync } from "node:fs";

/** Whether a descriptor of this process is open, and is this file: its number may be another one's by now. */
export function isOpenAs(fd: number, inode: number): boolean {
  try {
    return fstatSync(fd).ino === inode;
  } catch {
    return false;
  }
}
