import { readFileSync, statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { beginningOfText } from "../base/bounded-read.ts";
import { errnoOf } from "../base/errors.ts";
import { DEFAULT_CONFIG_FILE } from "../config/load.ts";

/** A daemon of this machine that can be asked, as the kernel knows it. */
export interface RunningDaemon {
  readonly pid: number;
  /** The file that it was started with, absolute. */
  readonly configFile: string;
  /** Path of its Unix socket for those who ask. */
  readonly socket: string;
}

/** A listening socket in /proc/net/unix (flags, type, state, inode), bound under the name that it has until it is ready: with the pid. */
const LISTENING = /^\S+ \S+ \S+ 00010000 0001 01 +\d+ (\/.*)\.([1-9]\d{0,6})$/gm;

/** Every daemon with a Unix socket in `[admin] listen`, those that one may act on first; what /proc does not show, and whose socket may not be looked at, is left out. */
export function runningDaemons(): RunningDaemon[] {
  const found = [...textOf("/proc/net/unix").matchAll(LISTENING)].map(([, socket = "", pid = ""]) => {
    return {
      socket,
      pid: Number(pid),
      mode: modeOf(socket),
      words: wordsOf(pid),
    };
  });
  return found
    .filter(({ mode, words }) => mode !== undefined && isStdFpm(words))
    .sort((a, b) => openness(a.mode) - openness(b.mode))
    .map(({ socket, pid, words }) => ({ socket, pid, configFile: configFileOf(words) }));
}

/** Others, too, make a socket under another name first. */
function isStdFpm(words: readonly string[]): boolean {
  return words.includes("serve") || basename(words[0] ?? "") === "std-fpm";
}

/** What others than its owner may do with it. */
function openness(mode = 0): number {
  return mode & 0o077;
}

/** As `serve` understands its command line. */
function configFileOf(words: readonly string[]): string {
  const at = words.findIndex((word) => /^(?:--config|-c)(?:=|$)/.test(word));
  const word = words[at];
  if (word === undefined) return DEFAULT_CONFIG_FILE;
  return resolve(word.includes("=") ? word.slice(word.indexOf("=") + 1) : (words[at + 1] ?? ""));
}

/** The mode of a socket's file; undefined where there is none, or in a folder that may not be searched: what is there is somebody else's. */
function modeOf(path: string): number | undefined {
  try {
    const stats = statSync(path);
    return stats.isSocket() ? stats.mode : undefined;
  } catch (thrown) {
    if (errnoOf(thrown) === "") throw thrown;
    return undefined;
  }
}

/** Its command line. */
function wordsOf(pid: string): string[] {
  return Buffer.from(beginningOfText(`/proc/${pid}/cmdline`), "latin1")
    .toString()
    .split("\0");
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    if (errnoOf(thrown) === "") throw thrown;
    return "";
  }
}
