import { statSync } from "node:fs";
import { type Account, accountOf } from "../base/accounts.ts";
import { FpmError, messageOf } from "../base/errors.ts";
import { hasDescriptors } from "../base/libc.ts";
import { closeHeld } from "../base/raw-io.ts";
import { remember } from "../base/remembering.ts";
import { noDescriptors } from "../base/shortage.ts";
import { explainExec, explainNotFound } from "./exec-failure.ts";
import { hasPassedOnCapabilities, launchOf, type Surroundings } from "./launch.ts";
import {
  readRequest,
  START_DEADLINE_MS,
  type StarterReply,
  type StartFailure,
  type StartOrder,
} from "./order.ts";
import { setUmask, unshareUmask } from "./posix-spawn.ts";
import { cannotStart, type Program } from "./program.ts";
import { spawn } from "./spawn.ts";
import { findTools } from "./tools.ts";

// The entry of a starter's thread: see `Starter`. Whatever waits for a program's file, disk or user waits here. One that starts
// FastCGI programs ends with the daemon, never before: the kernel ends these together with the thread (PR_SET_PDEATHSIG, prctl(2)).

declare const self: Worker;

let ownAccount: { readonly found: Account | undefined } | undefined;
const around: Surroundings = {
  tools: findTools(),
  hasCapabilities: hasPassedOnCapabilities(),
  ownAccount() {
    ownAccount ??= { found: accountOfOurs() };
    return ownAccount.found;
  },
};
const hasOwnUmask = unshareUmask();
/** By their texts. */
const programs = new Map<string, Program>();
const MOST_PROGRAMS = 256;
/** For files that are read before a start. */
const LOOK_DESCRIPTORS = 4;

self.onmessage = ({ data }: MessageEvent<string>) => {
  const [programText, request] = readRequest(data);
  const program = programOf(programText);
  if (request.kind === "start") start(request.id, { program, ...request.order }, request.umask);
  else reply({ kind: "explained", id: request.id, why: why(program, request.errno) });
};

/** The same object for the same text. */
function programOf(text: string): Program {
  return programs.get(text) ?? remember(programs, text, JSON.parse(text) as Program, MOST_PROGRAMS);
}

/** Its home is where a service manager or a container says, if that is the user's; a shell that became this user may have left another one's. */
function accountOfOurs(): Account | undefined {
  const uid = process.geteuid?.() ?? 0;
  const account = accountOf(uid);
  const home = process.env["HOME"] ?? "";
  return account && isOwnedBy(home, uid) ? { ...account, home } : account;
}

function isOwnedBy(path: string, uid: number): boolean {
  try {
    return path.startsWith("/") && statSync(path).uid === uid;
  } catch {
    // It is missing, or may not even be looked at.
    return false;
  }
}

function start(id: number, order: StartOrder, umask: number): void {
  const answer = started(id, order, umask);
  // A program that has opened its pipes anew can have whoever closes them wait.
  for (const fd of order.stdio) closeHeld(fd);
  reply(answer);
}

function started(id: number, order: StartOrder, umask: number): StarterReply {
  try {
    // Without one the user database, too, would say that there is nobody.
    if (!hasDescriptors(LOOK_DESCRIPTORS)) throw noDescriptors(`${order.program.name} cannot be started`);
    const begunAt = performance.now();
    const launch = launchOf(order, around);
    // Nobody waits for it any more.
    if (performance.now() - begunAt > START_DEADLINE_MS) throw cannotStart(order.program, "it is too late");
    takeUmask(order.program, umask);
    const { pid, isBuns } = spawn(launch, order, (ending) => reply({ kind: "exited", id, ending }));
    return { kind: "started", id, pid, isBuns, uid: launch.uid, tools: launch.tools };
  } catch (error) {
    return { kind: "failed", id, failure: failureOf(error, order) };
  }
}

/** What is started from now on has the umask of the program's settings, or else the daemon's. */
function takeUmask(program: Program, own: number): void {
  const { umask } = program.app;
  if (hasOwnUmask) setUmask(umask ?? own);
  else if (umask !== undefined) {
    const why = "umask cannot be set: this system does not allow unshare(2), as in some containers";
    throw cannotStart(program, why);
  }
}

function why(program: Program, errno: string): string {
  return errno === "" ? explainNotFound(program.argv[0]) : explainExec(program, errno);
}

function failureOf(error: unknown, { program }: StartOrder): StartFailure {
  if (error instanceof FpmError) return { code: error.code, fault: error.fault, message: error.message };
  const { code, message } = cannotStart(program, messageOf(error));
  return { code, fault: "daemon", message };
}

function reply(message: StarterReply): void {
  self.postMessage(JSON.stringify(message));
}
