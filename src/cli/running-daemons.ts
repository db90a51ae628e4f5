import { readFileSync, type Stats, statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { errnoOf } from "../base/errors.ts";
import { userOf } from "../base/proc-stat.ts";
import { DEFAULT_CONFIG_FILE } from "../config/load.ts";
import { commandLineOf, commandLinesOf } from "./command-lines.ts";

const ROOT = 0;

/** A daemon of this machine that can be asked, as the kernel knows it. */
export interface RunningDaemon {
  readonly pid: number;
  /** The file that it was started with, absolute. */
  readonly configFile: string;
  /** Path of its Unix socket for those who ask. */
  readonly socket: string;
  /** Who runs it, or owns its socket, if that is neither root nor we: anybody can name a process so, and a socket. */
  readonly foreignUser: number | undefined;
}

/** A listening socket in /proc/net/unix (flags, type, state, inode), bound under the name that it has until it is ready: with the pid. */
const LISTENING = /^\S+ \S+ \S+ 00010000 0001 01 +\d+ (\/.*)\.([1-9]\d{0,6})$/gm;

/** Every daemon with a Unix socket in `[admin] listen`, root's and our own first, and of these those that one may act on; what /proc does not show, whose socket may not be looked at, and what is a stranger's and does not let its command line be read, is left out. */
export async function runningDaemons(): Promise<RunningDaemon[]> {
  const found = [...textOf("/proc/net/unix").matchAll(LISTENING)].flatMap(([, socket = "", digits = ""]) => {
    const [pid, facts] = [Number(digits), factsOf(socket)];
    const user = userOf(pid);
    return facts === undefined || user === undefined ? [] : [{ socket, pid, facts, user }];
  });
  const strangers = found.filter(({ user }) => isForeign(user)).map(({ pid }) => pid);
  const ofStrangers = await commandLinesOf(strangers);
  return found
    .sort((a, b) => openness(a.facts.mode) - openness(b.facts.mode))
    .flatMap(({ socket, pid, facts, user }) => {
      const words = isForeign(user) ? ofStrangers.get(pid) : commandLineOf(pid);
      if (words === undefined || !isStdFpm(words)) return [];
      const foreignUser = [facts.uid, user].find(isForeign);
      return [{ socket, pid, foreignUser, configFile: configFileOf(words) }];
    })
    .sort((a, b) => Number(a.foreignUser !== undefined) - Number(b.foreignUser !== undefined));
}

function isForeign(uid: number): boolean {
  return uid !== ROOT && uid !== process.geteuid?.();
}

/** Others, too, make a socket under another name first. */
function isStdFpm(words: readonly string[]): boolean {
  return words.includes("serve") || basename(words[0] ?? "") === "std-fpm";
}

/** What others than its owner may do with it. */
function openness(mode: number): number {
  return mode & 0o077;
}

/** As `serve` understands its command line. */
function configFileOf(words: readonly string[]): string {
  const at = words.findIndex((word) => /^(?:--config|-c)(?:=|$)/.test(word));
  const word = words[at];
  if (word === undefined) return DEFAULT_CONFIG_FILE;
  return resolve(word.includes("=") ? word.slice(word.indexOf("=") + 1) : (words[at + 1] ?? ""));
}

/** A socket's file; undefined where there is none, or in a folder that may not be searched: what is there is somebody else's. */
function factsOf(path: string): Stats | undefined {
  try {
    const stats = statSync(path);
    return stats.isSocket() ? stats : undefined;
  } catch (thrown) {
    if (errnoOf(thrown) === "") throw thrown;
    return undefined;
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    if (errnoOf(thrown) === "") throw thrown;
    return "";
  }
}
