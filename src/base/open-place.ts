import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/** What a path leads to, and nothing of it opened: no device, no FIFO notices (open(2)); node:fs does not have its number. */
const O_PATH = 0o10000000;
/** A file with a lease would keep us waiting. */
const READ = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** A descriptor of what is at a path; a link itself unless links are followed. Nobody can exchange what it stands for. @throws The system's error. */
export function openPlace(path: string, links: "followed" | "not followed"): number {
  return openSync(path, links === "followed" ? O_PATH : O_PATH | constants.O_NOFOLLOW);
}

/** A path of what a descriptor stands for: for calls that take none of `openPlace`, and to open that anew. */
export function pathOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/**
 * Opens a plain file for reading, links followed; undefined when something else is there. To open a device or a FIFO may already do something, and
 * root may open any. @throws The system's error.
 */
export function openPlainFile(path: string): number | undefined {
  const place = openPlace(path, "followed");
  try {
    return fstatSync(place).isFile() ? openSync(pathOf(place), READ) : undefined;
  } finally {
    closeSync(place);
  }
}

/** The same where the disk may take its time. */
export async function openPlainFileLater(path: string): Promise<FileHandle | undefined> {
  const place = await open(path, O_PATH);
  try {
    return (await place.stat()).isFile() ? await open(pathOf(place.fd), READ) : undefined;
  } finally {
    await place.close();
  }
}
