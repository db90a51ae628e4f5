import { describe, expect, test } from "bun:test";
import { fstatSync, statSync } from "node:fs";
import { acceptNow, closeFd, connectUnix, hasUnaccepted, isHungUp, listenUnix } from "../../src/base/libc.ts";
import { hasNoPeer, isOpenSomewhere, peerOf } from "../../src/base/unix-peer.ts";
import { makeTempDir } from "../support/temp-dir.ts";

describe("Unix sockets by system call", () => {
  test("a listening one has mode 0600 and tells of connections that nobody has accepted", () => {
    using dir = makeTempDir();
    const fd = listenUnix(dir.at("s"), 4);
    expect(statSync(dir.at("s")).mode & 0o777).toBe(0o600);
    expect(hasUnaccepted(fd)).toBe(false);
    const connected = connectUnix(dir.at("s"));
    expect(connected.kind).toBe("connected");
    expect(hasUnaccepted(fd)).toBe(true);
    closeFd(fd);
    if (connected.kind !== "connected") throw new Error("not connected");
    expect(isHungUp(connected.fd)).toBe(true);
    closeFd(connected.fd);
    expect(connectUnix(dir.at("s"))).toEqual({ kind: "refused", reason: "Connection refused" });
  });

  test("one that nobody has accepted has no other end, nor has one whose other end is closed: that is hung up", () => {
    using dir = makeTempDir();
    const listening = listenUnix(dir.at("s"), 4);
    const connected = connectUnix(dir.at("s"));
    if (connected.kind !== "connected") throw new Error("not connected");
    const own = fstatSync(connected.fd).ino;
    expect([hasNoPeer(own), isHungUp(connected.fd), peerOf(own)]).toEqual([true, false, 0]);
    const accepted = acceptNow(listening) as number;
    const { ino } = fstatSync(accepted);
    expect([hasNoPeer(own), peerOf(own), isOpenSomewhere(ino)]).toEqual([false, ino, true]);
    closeFd(accepted);
    expect([hasNoPeer(own), isHungUp(connected.fd), isOpenSomewhere(ino)]).toEqual([true, true, false]);
    for (const each of [connected.fd, listening]) closeFd(each);
    expect(hasNoPeer(own)).toBe(false);
  });

  test("one that a connection was looked for on has no timeout: whoever accepts there waits as before", () => {
    using dir = makeTempDir();
    const listening = listenUnix(dir.at("s"), 4);
    const timeout = () => {
      const look = 'open S, "+<&=3" or die; print unpack "H*", getsockopt S, 1, 20';
      return Bun.spawnSync(["perl", "-e", look], {
        stdio: ["ignore", "pipe", "inherit", listening],
      }).stdout.toString();
    };
    expect(timeout()).toBe("0".repeat(32));
    expect(acceptNow(listening)).toBeUndefined();
    expect(timeout()).toBe("0".repeat(32));
    closeFd(listening);
  });

  test("connecting where nothing is is refused with the system's reason", () => {
    expect(connectUnix("/nonexistent/s")).toEqual({ kind: "refused", reason: "No such file or directory" });
  });

  test("a full backlog is told from a dead socket", () => {
    using dir = makeTempDir();
    const fd = listenUnix(dir.at("s"), 0);
    const kinds: string[] = [];
    const open: number[] = [];
    for (let i = 0; i < 3; i++) {
      const connected = connectUnix(dir.at("s"));
      kinds.push(connected.kind);
      if (connected.kind === "connected") open.push(connected.fd);
    }
    expect(kinds.at(-1)).toBe("full");
    for (const each of [...open, fd]) closeFd(each);
  });

  test("a path of 107 bytes is taken, one of 108 refused with that reason", () => {
    using dir = makeTempDir();
    const path = (bytes: number) => dir.at("x".repeat(bytes - dir.path.length - 1));
    closeFd(listenUnix(path(107), 1));
    expect(() => listenUnix(path(108), 1)).toThrow(
      "has 108 bytes; the path of a Unix socket has at most 107",
    );
  });

  test("a path that is taken is an error that names it", () => {
    using dir = makeTempDir();
    const fd = listenUnix(dir.at("s"), 1);
    expect(() => listenUnix(dir.at("s"), 1)).toThrow(
      `bind failed for ${dir.at("s")}: Address already in use`,
    );
    closeFd(fd);
  });
});
