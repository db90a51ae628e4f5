import { describe, expect, test } from "bun:test";
import { openSync, readdirSync } from "node:fs";
import { closeFd, connectUnix, listenUnix, tryLock } from "../../src/base/libc.ts";
import { unixPeerPath } from "../../src/base/unix-peer.ts";
import { lookAt } from "../../src/slow/process-look.ts";
import { descendantsOf, descriptorsOf } from "../support/processes.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const OPTIONS = { ownSockets: "/nonexistent", isCgi: false };

/** A process that ends with the test, by `await using`. */
const start = (...command: string[]) => Bun.spawn(command, { stdio: ["pipe", "ignore", "ignore"] });

describe("a look at a process", () => {
  test("finds nothing where there is none, or not any more", async () => {
    const child = start("/bin/true");
    await child.exited;
    expect(await lookAt(child.pid, OPTIONS)).toBeUndefined();
    expect(await lookAt(2 ** 30, OPTIONS)).toBeUndefined();
  });

  test("finds its name, its thread and the pipe that it reads", async () => {
    await using child = start("/bin/cat");
    const facts = await waitUntil("it reads", async () => {
      const facts = await lookAt(child.pid, OPTIONS);
      return facts && facts.descriptors.size > 0 ? facts : undefined;
    });
    expect([facts.pid, facts.name, facts.threads.length, facts.denied]).toEqual([child.pid, "cat", 1, []]);
    // Bun's pipes are socket pairs.
    expect([...facts.descriptors]).toEqual([[0, { kind: "socket", name: "a Unix socket" }]]);
    const asCgi = await lookAt(child.pid, { ...OPTIONS, isCgi: true });
    expect(asCgi?.descriptors.get(0)?.name).toBe("a Unix socket");
  });

  test("finds who holds the lock that it waits for", async () => {
    using dir = makeTempDir();
    const fd = openSync(dir.at("lock"), "w");
    expect(tryLock(fd)).toBe(true);
    await using child = start("/usr/bin/flock", dir.at("lock"), "/bin/true");
    const facts = await waitUntil("it waits", async () => {
      const facts = await lookAt(child.pid, OPTIONS);
      // A look takes a while: the one that sees its wait may have been too early for its descriptor.
      return facts && facts.lockHolders.length > 0 && facts.descriptors.size > 0 ? facts : undefined;
    });
    expect(facts.lockHolders).toEqual([{ pid: process.pid, name: expect.any(String) }]);
    expect([...facts.descriptors.values()]).toEqual([{ kind: "file", name: dir.at("lock") }]);
    closeFd(fd);
    expect(await child.exited).toBe(0);
  });

  test("finds its children and theirs, as deep as a shell's script goes", async () => {
    await using shell = start("/bin/sh", "-c", "/bin/sh -c '/bin/sleep 1000000; true'; true");
    const facts = await waitUntil("the innermost sleeps", async () => {
      const facts = await lookAt(shell.pid, OPTIONS);
      return facts?.children[0]?.children[0]?.name === "sleep" ? facts : undefined;
    });
    expect(facts.children.map(({ name }) => name)).toEqual(["sh"]);
    // The shell first: without its child it would end by itself.
    for (const pid of [facts.children[0]?.pid, facts.children[0]?.children[0]?.pid])
      process.kill(pid as number, "SIGKILL");
  });

  test("takes in a few of very many children", async () => {
    await using shell = start("/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do sleep 1000000 & done; wait");
    const pids = await waitUntil("all have started", () => {
      const children = descendantsOf(shell.pid);
      return children.length === 9 ? children.sort((a, b) => b - a) : undefined;
    });
    for (const onlyUsage of [true, false]) {
      const facts = await waitUntil("it waits for them", async () => {
        const facts = await lookAt(shell.pid, { ...OPTIONS, onlyUsage });
        return facts && facts.children.length > 0 ? facts : undefined;
      });
      expect(facts.children.map(({ pid }) => pid)).toEqual(pids.slice(0, 4));
      expect(facts.threads.length).toBe(onlyUsage ? 0 : 1);
    }
    for (const pid of pids) process.kill(pid, "SIGKILL");
  });

  test("takes in 64 threads of a process that has more", async () => {
    const script =
      "import threading, time\nfor _ in range(80): threading.Thread(target=time.sleep, args=(1e6,)).start()";
    await using child = start("/usr/bin/python3", "-c", script);
    await waitUntil("all have started", () => readdirSync(`/proc/${child.pid}/task`).length === 81);
    expect((await lookAt(child.pid, OPTIONS))?.threads.length).toBe(64);
  });
});

describe("the peer of a Unix socket", () => {
  const inodeOf = (fd: number) => Number(/\d+/.exec(descriptorsOf(process.pid).get(fd) ?? "")?.[0]);

  test("is the path that it has connected to, once it is accepted", async () => {
    using dir = makeTempDir();
    const server = Bun.listen({ unix: dir.at("db.sock"), socket: { data() {} } });
    const connected = connectUnix(dir.at("db.sock"));
    if (connected.kind !== "connected") throw new Error("not connected");
    expect(await waitUntil("it is accepted", () => unixPeerPath(inodeOf(connected.fd)))).toBe(
      dir.at("db.sock"),
    );
    closeFd(connected.fd);
    server.stop(true);
  });

  test("is not known before, nor of what is no such socket", () => {
    using dir = makeTempDir();
    const listening = listenUnix(dir.at("s"), 4);
    const connected = connectUnix(dir.at("s"));
    if (connected.kind !== "connected") throw new Error("not connected");
    expect(unixPeerPath(inodeOf(connected.fd))).toBeUndefined();
    expect(unixPeerPath(inodeOf(listening))).toBeUndefined();
    expect(unixPeerPath(1)).toBeUndefined();
    for (const fd of [connected.fd, listening]) closeFd(fd);
  });
});
