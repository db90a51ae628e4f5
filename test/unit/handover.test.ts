import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { closeFd, duplicate, listenUnix, openPipe } from "../../src/base/libc.ts";
import { HANDOVER_VARIABLE, pack, reportReady, takeInheritance } from "../../src/daemon/handover.ts";
import { RuntimeDir } from "../../src/daemon/runtime-dir.ts";
import { Successor } from "../../src/daemon/successor.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const INSTANCE = "0a1b2c3d-0000-4000-8000-000000000000";

/** Open descriptors as they are handed over, and what describes them. */
function openBequest(dir: TempDir) {
  writeFileSync(dir.at("pid"), "");
  const lock = { fd: openSync(dir.at("pid"), "a+"), instance: INSTANCE };
  const address = { kind: "unix", path: dir.at("s") } as const;
  const socket = { address, fd: listenUnix(dir.at("s"), 1), file: "1:2", isForeign: true };
  const tcp = {
    address: { kind: "tcp", host: "::1", port: 9000 } as const,
    fd: socket.fd,
    file: undefined,
    isForeign: false,
  };
  return { pid: 7, runtimeDir: dir.path, lock, sockets: [socket, tcp] };
}

describe("what is handed over", () => {
  test("is packed as descriptors from 3 on, and a value that says what they are", () => {
    using dir = makeTempDir();
    const bequest = openBequest(dir);
    const { value, fds } = pack(bequest, 99);
    const [socket] = bequest.sockets;
    expect(fds).toEqual([99, bequest.lock.fd, socket?.fd ?? -1, socket?.fd ?? -1]);
    expect(JSON.parse(value)).toEqual({
      pid: 7,
      ready: 3,
      lock: 4,
      instance: INSTANCE,
      runtimeDir: dir.path,
      sockets: [
        { address: dir.at("s"), fd: 5, file: "1:2", foreign: true },
        { address: "[::1]:9000", fd: 6 },
      ],
    });
    closeFd(bequest.lock.fd);
    closeFd(socket?.fd ?? -1);
  });

  test("is taken out of the environment, and comes out as it was put in", () => {
    using dir = makeTempDir();
    const { sockets, lock, ...bequest } = openBequest(dir);
    const pipe = openPipe();
    const [socket, tcp] = sockets.map((each) => ({ ...each, fd: duplicate(each.fd) }));
    if (!socket || !tcp) throw new Error("two sockets were opened");
    const environment = { [HANDOVER_VARIABLE]: described(), OTHER: "x" };
    function described(): string {
      const packed = JSON.parse(pack({ ...bequest, lock, sockets }, pipe.writeFd).value);
      const fds = { ready: pipe.writeFd, lock: lock.fd };
      return JSON.stringify({
        ...packed,
        ...fds,
        sockets: [
          { ...packed.sockets[0], fd: socket?.fd },
          { ...packed.sockets[1], fd: tcp?.fd },
        ],
      });
    }
    const inheritance = takeInheritance(environment);
    expect(inheritance).toEqual({ ...bequest, lock, sockets: [socket, tcp], readyFd: pipe.writeFd });
    expect(environment as object).toEqual({ OTHER: "x" });
    expect(takeInheritance(environment)).toBeUndefined();
    if (inheritance) reportReady(inheritance, false);
    const said = Buffer.alloc(20);
    expect(said.toString("latin1", 0, readSync(pipe.readFd, said))).toBe("ready\n");
    for (const fd of [pipe.readFd, lock.fd, socket.fd, tcp.fd, sockets[0]?.fd ?? -1]) closeFd(fd);
  });

  test.each([
    ["no JSON", "{", "it is not JSON"],
    ["something missing", "{}", "it lacks something"],
    ["a standard descriptor", good({ ready: 2 }), "it lacks something"],
    ["a descriptor that is not open", good({ lock: 999_999 }), "descriptor 999999 is no pid file"],
    ["no address", good({ sockets: [{ address: "here", fd: 5 }] }), '"here" is no address'],
    ["a file for a socket", good({ sockets: [{ address: "/s", fd: "FILE" }] }), "is no socket"],
    ["a file for a pipe", good({ lock: "FILE", ready: "FILE" }), "is no pipe"],
  ])("is refused with %s", (_what, value, why) => {
    using dir = makeTempDir();
    writeFileSync(dir.at("f"), "");
    const fd = openSync(dir.at("f"), "r");
    const environment = { [HANDOVER_VARIABLE]: value.replaceAll('"FILE"', String(fd)) };
    expect(() => takeInheritance(environment)).toThrow(why);
    expect(HANDOVER_VARIABLE in environment).toBe(false);
    closeSync(fd);
  });

  test("may be reported to nobody: the earlier daemon has gone", () => {
    using dir = makeTempDir();
    const pipe = openPipe();
    closeFd(pipe.readFd);
    const bequest = openBequest(dir);
    reportReady({ ...bequest, readyFd: pipe.writeFd }, true);
    for (const fd of [bequest.lock.fd, bequest.sockets[0]?.fd ?? -1]) closeFd(fd);
  });
});

/** Nobody here waits for children that Bun waits for. */
const NO_REAPER = { leave() {} };

describe("the process that is to take over", () => {
  test("is killed when it is not ready within 30 s", async () => {
    using dir = makeTempDir();
    const bequest = openBequest(dir);
    const clock = new FakeClock();
    const successor = new Successor(["/bin/sleep", "60"], bequest, clock, NO_REAPER);
    clock.advance(29_999);
    expect(await Promise.race([successor.started, "nothing yet"])).toBe("nothing yet");
    clock.advance(1);
    expect(await successor.started).toEqual({ kind: "failed", why: "it was not ready within 30 s" });
    expect(clock.timers).toBe(0);
    for (const fd of [bequest.lock.fd, bequest.sockets[0]?.fd ?? -1]) closeFd(fd);
  });

  test("serves when it says so, and is not killed any more", async () => {
    using dir = makeTempDir();
    const bequest = openBequest(dir);
    const clock = new FakeClock();
    const script = 'echo "ready elsewhere" >&3; read _ < "$0"; exit 0';
    Bun.spawnSync(["mkfifo", dir.at("end")]);
    const successor = new Successor(["/bin/sh", "-c", script, dir.at("end")], bequest, clock, NO_REAPER);
    await waitUntil("it says so", async () => {
      clock.advance(10);
      return await Promise.race([successor.started, undefined]);
    });
    expect(await successor.started).toEqual({ kind: "serving", pid: successor.pid, isElsewhere: true });
    successor.kill("too late");
    expect(readFileSync(`/proc/${successor.pid}/cmdline`, "latin1")).toContain(dir.at("end"));
    writeFileSync(dir.at("end"), "\n");
    // Nor is it looked at any more.
    expect(clock.timers).toBe(0);
    for (const fd of [bequest.lock.fd, bequest.sockets[0]?.fd ?? -1]) closeFd(fd);
  });

  test("that cannot be started is an error with the system's reason", () => {
    using dir = makeTempDir();
    const bequest = openBequest(dir);
    expect(() => new Successor([dir.at("none")], bequest, new FakeClock(), NO_REAPER)).toThrow(
      "cannot be started: ",
    );
    for (const fd of [bequest.lock.fd, bequest.sockets[0]?.fd ?? -1]) closeFd(fd);
  });
});

describe("a runtime folder that is handed over", () => {
  test("keeps its lock, its mark and the sockets of others, and gets another pid", () => {
    using dir = makeTempDir();
    const old = new RuntimeDir(dir.path);
    old.claim();
    writeFileSync(dir.at("std-fpm.pid"), "1\n");
    writeFileSync(dir.at("backends/1-1.sock"), "");
    writeFileSync(dir.at(`backends/${process.pid}-1.sock`), "");
    const heir = new RuntimeDir(dir.path, { ...old.lock, fd: duplicate(old.lock.fd) });
    heir.claim();
    expect(readFileSync(dir.at("std-fpm.pid"), "latin1")).toBe(`${process.pid}\n`);
    expect(readFileSync(dir.at("instance"), "latin1").trim()).toBe(old.lock.instance);
    expect([...new Bun.Glob("*").scanSync(dir.at("backends"))]).toEqual(["1-1.sock"]);
    old.yield();
    old.release();
    expect(() => new RuntimeDir(dir.path)).toThrow("already running");
    heir.release();
    expect([...new Bun.Glob("**").scanSync(dir.path)]).toEqual([]);
  });

  test("is refused when its pid file was replaced", () => {
    using dir = makeTempDir();
    const old = new RuntimeDir(dir.path);
    writeFileSync(dir.at("std-fpm.new"), "");
    Bun.spawnSync(["mv", dir.at("std-fpm.new"), dir.at("std-fpm.pid")]);
    expect(() => new RuntimeDir(dir.path, old.lock)).toThrow("was removed or replaced");
    old.release();
  });
});

function good(changes: object): string {
  const described = { pid: 1, ready: 3, lock: 4, instance: INSTANCE, runtimeDir: "/run", sockets: [] };
  return JSON.stringify({ ...described, ...changes });
}
