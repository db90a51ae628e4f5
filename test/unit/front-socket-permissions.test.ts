import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { linkSync, renameSync, statSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileIdentity } from "../../src/base/file-identity.ts";
import { closeFd, listenUnix } from "../../src/base/libc.ts";
import { type BoundSocket, bindSocket, renewPermissions } from "../../src/front/bind.ts";
import { setPermissions } from "../../src/front/socket-permissions.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const OPEN = { mode: 0o666, uid: undefined, gid: undefined };
const isRoot = process.geteuid?.() === 0;
const REPLACED = "somebody has put another file in the place of the socket";

let folder: ReturnType<typeof makeTempDir>;
let socket = "";
let victim = "";
let fds: number[] = [];
beforeEach(() => {
  folder = makeTempDir();
  socket = join(folder.path, "x.sock");
  victim = join(folder.path, "shadow");
  writeFileSync(victim, "secret", { mode: 0o600 });
});
afterEach(() => {
  for (const fd of fds) closeFd(fd);
  fds = [];
  folder[Symbol.dispose]();
});

function listen(path = socket): void {
  fds.push(listenUnix(path, 1));
}

/** Another socket. */
function other(): string {
  listen(`${socket}2`);
  return `${socket}2`;
}

function bind(): BoundSocket {
  const bound = bindSocket({ kind: "unix", path: socket }, { ...OPEN, backlog: 1 });
  fds.push(bound.fd);
  return bound;
}

const modeOf = (path: string) => statSync(path).mode & 0o777;

describe("the permissions of a socket", () => {
  test("are those that are wanted, and its identity is told", () => {
    listen();
    expect(setPermissions(socket, { ...OPEN, mode: 0o640 })).toBe(fileIdentity(socket) as string);
    expect(modeOf(socket)).toBe(0o640);
    if (!isRoot) return;
    setPermissions(socket, { mode: 0o660, uid: 33, gid: 4 });
    expect([modeOf(socket), statSync(socket).uid, statSync(socket).gid]).toEqual([0o660, 33, 4]);
  });

  test.each([
    ["a link to a file", () => symlinkSync(victim, socket)],
    ["a file", () => renameSync(victim, socket)],
    ["a link to another socket", () => symlinkSync(other(), socket)],
    ["another name of a socket", () => linkSync(other(), socket)],
  ])("are not given to %s in its place", (_what, put) => {
    put();
    const [target, before] = [statSync(socket).ino, modeOf(socket)];
    expect(() => setPermissions(socket, OPEN)).toThrow(`${REPLACED} ${socket}`);
    expect([statSync(socket).ino, modeOf(socket)]).toEqual([target, before]);
  });

  test("are not given to somebody else's socket", () => {
    if (!isRoot) return;
    listen();
    setPermissions(socket, { mode: 0o600, uid: 33, gid: undefined });
    expect(() => setPermissions(socket, OPEN)).toThrow(REPLACED);
    expect(modeOf(socket)).toBe(0o600);
  });

  test("are renewed for the very socket that was bound, whoever owns it now", () => {
    const bound = bind();
    renewPermissions(bound, { ...OPEN, mode: 0o600, uid: isRoot ? 33 : undefined, backlog: 1 });
    renewPermissions(bound, { ...OPEN, mode: 0o620, backlog: 1 });
    expect(modeOf(socket)).toBe(0o620);
  });

  test("are not renewed for what has taken its place", () => {
    const bound = bind();
    unlinkSync(socket);
    symlinkSync(victim, socket);
    expect(() => renewPermissions(bound, { ...OPEN, backlog: 1 })).toThrow(
      `Cannot listen on ${socket}: ${REPLACED}`,
    );
    expect(modeOf(victim)).toBe(0o600);
  });
});
