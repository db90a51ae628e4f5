import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { fstatSync, readdirSync, readlinkSync } from "node:fs";
import type { AcceptListener } from "../../src/backend/acceptor.ts";
import { BackendSocket } from "../../src/backend/backend-socket.ts";
import type { Link } from "../../src/backend/link.ts";
import type { SocketLink } from "../../src/backend/socket-link.ts";
import { ByteBudget } from "../../src/base/byte-budget.ts";
import { acceptNow, closeFd } from "../../src/base/libc.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";

let dir: TempDir;
beforeEach(() => {
  dir = makeTempDir();
});
afterEach(() => dir[Symbol.dispose]());

/** Our sockets, by their descriptors. */
function sockets(): number[] {
  const names = readdirSync("/proc/self/fd").map(Number);
  return names.filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith("socket:");
    } catch {
      return false;
    }
  });
}

/** Accepts the first connection on its descriptor 0, and prints what it reads there within two seconds. */
const READER = `accept my $c, STDIN or die; my $r = ''; vec($r, fileno $c, 1) = 1;
  print select($r, undef, undef, 2) ? (sysread($c, my $x, 1) ? "a byte" : "the end") : "nothing"`;

describe("a connection that is taken back", () => {
  test("is in nobody's hands until that has come out, and not accepted either", () => {
    let answer: AcceptListener["onAnswer"] | undefined;
    const acceptor = {
      accept: (_fd: number, _key: string, hears: AcceptListener) => (answer = hears.onAnswer),
    };
    const buffers = new ByteBudget(2 ** 20);
    const socket = new BackendSocket(dir.at("s"), 1, { buffers } as never);
    try {
      socket.dropSilent();
      const link = socket.connect(true, 1) as Link;
      const taken: string[] = [];
      expect([socket.isBeingTaken(link), socket.isTaking]).toEqual([false, false]);
      for (let i = 0; i < 2; i++)
        socket.takeBack(
          link,
          acceptor as never,
          () => taken.push("taken"),
          () => taken.push("stands"),
        );
      expect([socket.isBeingTaken(link), socket.isTaking, taken]).toEqual([true, true, []]);
      answer?.(7);
      expect([socket.isBeingTaken(link), socket.isTaking, taken]).toEqual([false, false, ["taken"]]);
    } finally {
      socket.close();
    }
  });
});

describe("all connections that wait", () => {
  /** Accepts at once, but for the first of them, which somebody else gets. */
  function quickAcceptor(isFirstLost = false) {
    let asked = 0;
    return {
      accept(fd: number, _key: string, listener: AcceptListener) {
        const accepted = acceptNow(fd) as number;
        listener.onAnswer(asked++ === 0 && isFirstLost ? undefined : fstatSync(accepted).ino);
        closeFd(accepted);
      },
    } as never;
  }

  test("are taken back one by one, each told by its end, until none waits", () => {
    for (const isFirstLost of [false, true]) {
      const socket = new BackendSocket(dir.at("s"), 3, { buffers: new ByteBudget(2 ** 20) } as never);
      try {
        socket.dropSilent();
        const links = [1, 2, 3].map(() => socket.connect(true, 3) as SocketLink);
        const taken: (SocketLink | undefined)[] = [];
        let isOver = false;
        socket.takeBackAll(quickAcceptor(isFirstLost), {
          onTaken: (inode) => taken.push(links.find(({ peerInode }) => peerInode === inode)),
          onOver: () => (isOver = true),
        });
        // The silent one was first, and is nobody's.
        const [silent, ...others] = isFirstLost ? [undefined, ...taken] : taken;
        expect([silent, others, isOver, socket.hasUnaccepted]).toEqual([undefined, links, true, false]);
        for (const link of links) link.close();
      } finally {
        socket.close();
      }
    }
  });

  test("have one among them that is being taken already, unless the thread stands: then its answer is nobody's", () => {
    const socket = new BackendSocket(dir.at("s"), 1, { buffers: new ByteBudget(2 ** 20) } as never);
    try {
      const asked: AcceptListener[] = [];
      const acceptor = { accept: (_fd: number, _key: string, hears: AcceptListener) => asked.push(hears) };
      const told: string[] = [];
      const tell = (what: string) => () => told.push(what);
      const takeAll = (name: string) =>
        socket.takeBackAll(acceptor as never, {
          onTaken: (inode) => told.push(`${name} ${inode}`),
          onOver: tell(`${name} is over`),
          onStands: tell(`${name} stands`),
        });
      socket.dropSilent();
      closeFd(acceptNow(socket.fd) as number);
      const link = socket.connect(true, 1) as Link;
      socket.takeBack(link, acceptor as never, tell("taken"), tell("stands"));
      takeAll("first");
      // Meanwhile nobody else waits.
      closeFd(acceptNow(socket.fd) as number);
      asked[0]?.onAnswer(7);
      expect(told).toEqual(["first 7", "first is over"]);
      const other = socket.connect(true, 1) as Link;
      socket.takeBack(other, acceptor as never, tell("taken"), tell("stands"));
      asked[1]?.onStands();
      takeAll("second");
      asked[1]?.onAnswer(8);
      expect(told.slice(2)).toEqual(["stands", "second is over"]);
      expect(socket.isTaking).toBe(false);
    } finally {
      socket.close();
    }
  });

  test("of somebody who goes on and on are taken for so long only, and none behind one that cannot be had", () => {
    const socket = new BackendSocket(dir.at("s"), 3, { buffers: new ByteBudget(2 ** 20) } as never);
    try {
      let [asked, over] = [0, 0];
      const endless = {
        accept: (_fd: number, _key: string, { onAnswer }: AcceptListener) => onAnswer(++asked),
      };
      const listener = { onTaken() {}, onOver: () => void over++ };
      socket.takeBackAll(endless as never, listener, 10);
      expect([asked, over]).toEqual([10, 1]);
      const standing = { accept: (_fd: number, _key: string, { onStands }: AcceptListener) => onStands() };
      socket.takeBackAll(standing as never, listener);
      expect([over, socket.isTaking]).toEqual([2, true]);
      // A thread stands there already.
      socket.takeBackAll(standing as never, listener);
      expect(over).toBe(3);
    } finally {
      socket.close();
    }
  });
});

test("kept connections of workers that accept no more are given up, however many are lent from then on", () => {
  const socket = new BackendSocket(dir.at("s"), 3, { buffers: new ByteBudget(2 ** 20) } as never);
  try {
    const [kept, others] = [1, 2].map((busy) => socket.connect(true, busy) as SocketLink) as [
      SocketLink,
      SocketLink,
    ];
    socket.keep(kept);
    expect([socket.freeWorkers(1), kept.isOpen]).toEqual([true, false]);
    expect(socket.freeWorkers(1)).toBe(false);
    // As many as its settings say: more than it was seen to take.
    for (const busy of [2, 3]) (socket.connect(true, busy) as SocketLink).close();
    socket.keep(others);
    expect(socket.connect(true, 3)).not.toBe(others);
    expect(others.isOpen).toBe(false);
  } finally {
    socket.close();
  }
});

describe("the silent connection to a program", () => {
  test("ends for the program at once, also while a process that is being started has a copy of it", async () => {
    const before = sockets();
    const socket = new BackendSocket(dir.at("s"), 1, {} as never);
    const [silentFd] = sockets().filter((fd) => !before.includes(fd) && fd !== socket.fd);
    if (silentFd === undefined) throw new Error("there is none");
    const holder = Bun.spawn(["sleep", "1000"], { stdio: [silentFd, "ignore", "ignore"] });
    try {
      expect(socket.hasUnaccepted).toBe(true);
      socket.closeIdle();
      const reader = Bun.spawn(["perl", "-e", READER], { stdio: [socket.fd, "pipe", "inherit"] });
      expect(await new Response(reader.stdout).text()).toBe("the end");
    } finally {
      holder.kill();
      await holder.exited;
      socket.close();
    }
  });
});
