import { fstatSync, type Stats, writeSync } from "node:fs";
import { type Static, Type } from "@sinclair/typebox";
import { Check } from "@sinclair/typebox/value";
import { FpmError } from "../base/errors.ts";
import { closeFd, closeOnExec } from "../base/libc.ts";
import { formatListenAddress, parseListenAddress } from "../config/listen-address.ts";
import type { BoundSocket } from "../front/bind.ts";
import type { Lock } from "./runtime-dir.ts";

/** What a daemon passes on to the one that takes its place. */
export interface Bequest {
  /** Its own pid. */
  readonly pid: number;
  readonly runtimeDir: string;
  readonly lock: Lock;
  readonly sockets: readonly BoundSocket[];
}

/** The same as the heir finds it, with the pipe into which it writes when it serves. */
export interface Inheritance extends Bequest {
  readonly readyFd: number;
}

/** What the heir is given: descriptors 3, 4, … and the value of `HANDOVER_VARIABLE`, which says what they are. */
export interface Parcel {
  readonly value: string;
  readonly fds: readonly number[];
}

/** In the environment of a daemon that takes the place of another one. */
export const HANDOVER_VARIABLE = "STD_FPM_HANDOVER";
/** What the heir says when it serves: it goes on with the runtime folder, or has another one. */
export const READY = "ready\n";
export const READY_ELSEWHERE = "ready elsewhere\n";

const FIRST_FD = 3;
const descriptor = Type.Integer({ minimum: FIRST_FD, maximum: 1_000_000 });
const handoverSchema = Type.Object({
  pid: Type.Integer({ minimum: 1 }),
  ready: descriptor,
  lock: descriptor,
  instance: Type.String({ pattern: "^[0-9a-f-]{36}$" }),
  runtimeDir: Type.String({ pattern: "^/" }),
  sockets: Type.Array(
    Type.Object({
      address: Type.String(),
      fd: descriptor,
      file: Type.Optional(Type.String()),
      foreign: Type.Optional(Type.Boolean()),
    }),
  ),
});

/** Packs a bequest for a child whose descriptor 3 is the writing end of the ready pipe. */
export function pack(bequest: Bequest, readyFd: number): Parcel {
  const { pid, runtimeDir, lock, sockets } = bequest;
  const described: Static<typeof handoverSchema> = {
    pid,
    ready: FIRST_FD,
    lock: FIRST_FD + 1,
    instance: lock.instance,
    runtimeDir,
    sockets: sockets.map(({ address, file, isForeign }, index) => ({
      address: formatListenAddress(address),
      fd: FIRST_FD + 2 + index,
      ...(isForeign ? { foreign: true } : {}),
      ...(file === undefined ? {} : { file }),
    })),
  };
  return { value: JSON.stringify(described), fds: [readyFd, lock.fd, ...sockets.map(({ fd }) => fd)] };
}

/**
 * Takes what an earlier daemon hands over out of the environment, where nobody finds it any more; undefined when there is
 * none. Its descriptors close on exec from now on.
 * @throws FpmError HANDOVER when the variable or a descriptor is not what it should be.
 */
export function takeInheritance(environment: Record<string, string | undefined>): Inheritance | undefined {
  const value = environment[HANDOVER_VARIABLE];
  if (value === undefined) return undefined;
  delete environment[HANDOVER_VARIABLE];
  const described = parse(value);
  const sockets = described.sockets.map(({ address: text, fd, file, foreign: isForeign = false }) => {
    const address = parseListenAddress(text);
    if (!address) throw malformed(`${JSON.stringify(text)} is no address`);
    return { address, fd: checked(fd, "socket", (facts) => facts.isSocket()), file, isForeign };
  });
  return {
    pid: described.pid,
    runtimeDir: described.runtimeDir,
    lock: {
      fd: checked(described.lock, "pid file", (facts) => facts.isFile()),
      instance: described.instance,
    },
    sockets,
    readyFd: checked(described.ready, "pipe", (facts) => facts.isFIFO()),
  };
}

/** Tells the earlier daemon that it may go, and whether its runtime folder is still its own. */
export function reportReady({ readyFd }: Inheritance, isElsewhere: boolean): void {
  try {
    writeSync(readyFd, isElsewhere ? READY_ELSEWHERE : READY);
  } catch {
    // It has gone already; all that it had is ours.
  }
  closeFd(readyFd);
}

function parse(value: string): Static<typeof handoverSchema> {
  let described: unknown;
  try {
    described = JSON.parse(value);
  } catch {
    throw malformed("it is not JSON");
  }
  if (!Check(handoverSchema, described)) throw malformed("it lacks something");
  return described;
}

function checked(fd: number, what: string, isRight: (facts: Stats) => boolean): number {
  let facts: Stats | undefined;
  try {
    facts = fstatSync(fd);
  } catch {
    // Not open: said below.
  }
  if (!facts || !isRight(facts)) throw malformed(`descriptor ${fd} is no ${what}`);
  closeOnExec(fd);
  return fd;
}

function malformed(why: string): FpmError {
  const what = `${HANDOVER_VARIABLE} is set by std-fpm itself when it starts a new executable, but ${why}. Unset it.`;
  return new FpmError("HANDOVER", "daemon", what);
}
