import { describe, expect, test } from "bun:test";
import { chmodSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { systemClock } from "../../src/base/clock.ts";
import { pooledDisk, standingDisk } from "../../src/base/disk.ts";
import { escapeControls, jsonOf } from "../../src/base/escape-controls.ts";
import {
  createExecutableLookup,
  createFileLookup,
  type FileFacts,
  readFacts,
} from "../../src/base/file-facts.ts";
import { Garbage } from "../../src/base/garbage.ts";
import { createLog, type LogReader } from "../../src/base/log.ts";
import { Timers } from "../../src/base/timers.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

test("without descriptors a process has no children that anybody could see", async () => {
  const script = `
    const { openSync } = require("node:fs");
    const { childrenOf } = require("${import.meta.dir}/../../src/base/proc-stat.ts");
    try { for (;;) openSync("/dev/null"); } catch {}
    process.stdout.write(JSON.stringify(childrenOf(process.ppid)));`;
  const child = Bun.spawn(["prlimit", "--nofile=64", process.execPath, "-e", script], { stdout: "pipe" });
  expect(await new Response(child.stdout).text()).toBe("[]");
});

test("what is to be done soon is done after what is at hand, and once", async () => {
  const order: string[] = [];
  systemClock.soon(() => void order.push("soon"));
  order.push("at hand");
  for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve));
  expect(order).toEqual(["at hand", "soon"]);
});

describe("timers", () => {
  test("run once a name, the latest start counts", () => {
    const clock = new FakeClock();
    const timers = new Timers<"a" | "b">(clock);
    const fired: string[] = [];
    timers.set("a", 10, () => void fired.push("first"));
    timers.set("a", 20, () => void fired.push("second"));
    clock.advance(19);
    expect([fired, timers.has("a")]).toEqual([[], true]);
    clock.advance(1);
    expect([fired, timers.has("a")]).toEqual([["second"], false]);
  });

  test("end together, and leave nothing behind", () => {
    const clock = new FakeClock();
    const timers = new Timers<"a" | "b">(clock);
    timers.cancel("a");
    timers.cancelAll();
    timers.set("a", 10, () => expect.unreachable());
    timers.set("b", 10, () => expect.unreachable());
    timers.cancel("a");
    timers.cancelAll();
    expect([timers.has("a"), timers.has("b")]).toEqual([false, false]);
    clock.advance(100);
    expect(clock.timers).toBe(0);
  });
});

describe("the collector", () => {
  const MIB = 2 ** 20;

  function garbageOf({ size = 0, living = 0, takesMs = 0 } = {}) {
    const clock = new FakeClock();
    const seen = { hints: 0, full: 0, size, living, takesMs };
    const garbage = new Garbage(
      {
        hint: () => seen.hints++,
        size: () => seen.size,
        full() {
          seen.full++;
          clock.advance(seen.takesMs);
          seen.size = seen.living;
          return seen.living;
        },
      },
      clock,
    );
    const busyFor = (seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        garbage.add(1);
        clock.advance(1000);
      }
    };
    return { clock, seen, garbage, busyFor };
  }

  test("looks at what is new when 16 MiB were let go of, not before, and again after as many", () => {
    const { seen, garbage } = garbageOf();
    garbage.add(16 * MIB - 1);
    expect(seen.hints).toBe(0);
    garbage.add(1);
    expect(seen.hints).toBe(1);
    garbage.add(16 * MIB - 1);
    expect(seen.hints).toBe(1);
    garbage.add(40 * MIB);
    expect([seen.hints, seen.full]).toEqual([2, 0]);
  });

  test("looks at everything when nothing more comes for a second, if it is worth it", () => {
    const { clock, seen, garbage } = garbageOf();
    garbage.add(MIB);
    clock.advance(1000);
    garbage.add(1);
    clock.advance(1999);
    expect(seen.full).toBe(0);
    clock.advance(1);
    expect([seen.full, clock.timers]).toEqual([1, 0]);
    garbage.add(MIB - 1);
    clock.advance(5000);
    expect([seen.full, seen.hints, clock.timers]).toEqual([1, 0, 0]);
  });

  test("looks at everything while requests come when the heap has grown by half, and by 40 MiB at least", () => {
    const { seen, busyFor } = garbageOf({ living: 100 * MIB });
    const looksAt = (size: number, seconds = 1) => {
      const before = seen.full;
      seen.size = size;
      busyFor(seconds);
      return seen.full - before;
    };
    expect([looksAt(80 * MIB, 3), looksAt(80 * MIB + 1)]).toEqual([0, 1]);
    seen.living = 5 * MIB;
    expect([looksAt(150 * MIB), looksAt(150 * MIB + 1)]).toEqual([0, 1]);
    expect([looksAt(45 * MIB), looksAt(45 * MIB + 1)]).toEqual([0, 1]);
  });

  test("looks at everything, too, where 16 MiB were let go of and the heap has grown that much", () => {
    const { seen, garbage } = garbageOf({ size: 80 * MIB + 1, living: 5 * MIB });
    garbage.add(16 * MIB);
    expect([seen.full, seen.hints]).toEqual([1, 0]);
    garbage.add(16 * MIB);
    expect([seen.full, seen.hints]).toEqual([1, 1]);
  });

  test("takes three hundredths of the time for that at most", () => {
    const { seen, busyFor } = garbageOf({ size: 100 * MIB, living: 40 * MIB, takesMs: 90 });
    busyFor(1);
    expect(seen.full).toBe(1);
    seen.size = 100 * MIB;
    busyFor(2);
    expect(seen.full).toBe(1);
    busyFor(2);
    expect(seen.full).toBe(2);
  });
});

describe("the log", () => {
  const wallClock = () => new Date("2026-01-02T03:04:05.678Z");
  function lines(format: "plain" | "json" | "pretty" | "auto", reader: LogReader = "other"): string[] {
    const written: string[] = [];
    const log = createLog({
      level: "info",
      format,
      reader: () => reader,
      wallClock,
      write: (line) => void written.push(line),
    });
    log.debug("hidden");
    log.info("started", { program: "/srv/a b.fcgi", pid: 7, nothing: undefined });
    log.error("evil\nline \x1b[31m");
    return written;
  }

  test("is one line an entry, with its fields, and no program can forge one", () => {
    expect(lines("plain")).toEqual([
      '2026-01-02T03:04:05.678Z info started program="/srv/a b.fcgi" pid=7\n',
      "2026-01-02T03:04:05.678Z error evil\\x0aline \\x1b[31m\n",
    ]);
  });

  test("is JSON on demand", () => {
    expect(lines("json").map((line) => JSON.parse(line))).toEqual([
      {
        time: "2026-01-02T03:04:05.678Z",
        level: "info",
        message: "started",
        program: "/srv/a b.fcgi",
        pid: 7,
      },
      { time: "2026-01-02T03:04:05.678Z", level: "error", message: "evil\nline \x1b[31m" },
    ]);
  });

  test("by itself is pretty for a terminal and plain elsewhere", () => {
    expect(lines("auto", "terminal")).toEqual(lines("pretty"));
    expect(lines("auto", "other")).toEqual(lines("plain"));
  });

  test("has levels in colour for a terminal, unless they are not wanted", () => {
    const written: string[] = [];
    const write = (line: string) => void written.push(line);
    for (const colours of [{}, { hasColours: true }, { hasColours: false }])
      createLog({
        level: "info",
        format: "pretty",
        reader: () => "other",
        wallClock,
        write,
        ...colours,
      }).warn("x");
    const [bare = "", coloured] = [written[2], written[0]];
    expect(bare).toMatch(/^\d\d:\d\d:\d\d warn {2}x\n$/);
    expect(coloured).toBe(bare.replace("warn ", "\x1b[33mwarn \x1b[0m"));
    expect(written[1]).toBe(coloured as string);
  });

  test("tells the journal the priority of each line, and nothing that it knows already", () => {
    expect(lines("auto", "journal")).toEqual([
      '<6>started program="/srv/a b.fcgi" pid=7\n',
      "<3>evil\\x0aline \\x1b[31m\n",
    ]);
    expect(lines("json", "journal")).toEqual(["<6>", "<3>"].map((at, i) => at + lines("json")[i]));
  });

  test("has no control characters in quoted values and in JSON either", () => {
    expect(jsonOf({ "a b": "\x9b31m\x7f\x1b" })).toBe('{"a b":"\\u009b31m\\u007f\\u001b"}');
    const written: string[] = [];
    const write = (line: string) => void written.push(line);
    const log = createLog({ level: "info", format: "plain", reader: () => "other", wallClock, write });
    log.info("said", { uri: "/a b\x9b" });
    expect(written[0]).toEndWith('uri="/a b\\u009b"\n');
  });

  test("quotes a message that looks as if it had fields of ours", () => {
    const written: string[] = [];
    const write = (line: string) => void written.push(line);
    const log = createLog({ level: "info", format: "plain", reader: () => "other", wallClock, write });
    log.info("failed program=/srv/bank.fcgi code=X", { pid: 1 });
    expect(written[0]).toEndWith('"failed program=/srv/bank.fcgi code=X" pid=1\n');
  });

  test("takes other settings while it is in use", () => {
    const written: string[] = [];
    const write = (line: string) => void written.push(line);
    const log = createLog({ level: "info", format: "plain", reader: () => "other", wallClock, write });
    log.debug("hidden");
    log.adjust({ level: "debug", format: "json" });
    expect(log.isDebug).toBe(true);
    log.debug("shown");
    log.adjust({ level: "error", format: "plain" });
    expect(log.isDebug).toBe(false);
    log.warn("hidden");
    const time = "2026-01-02T03:04:05.678Z";
    expect(written).toEqual([`${JSON.stringify({ time, level: "debug", message: "shown" })}\n`]);
  });

  test("shows control characters, and leaves other text alone", () => {
    expect(escapeControls("a\tb\x07c\u0085é")).toBe("a\\tb\\x07c\\x85é");
    expect(escapeControls("a\u202eb\u2028c\u2066\u200f")).toBe("a\\u202eb\\u2028c\\u2066\\u200f");
    expect(jsonOf("a\u202eb\u2028\x9b")).toBe('"a\\u202eb\\u2028\\u009b"');
  });
});

const readFactsOf = (path: string) => readFacts(path, pooledDisk);

test("a look that fails for a reason that says nothing of the file is no answer", async () => {
  const failing = (errno: string) => ({
    ...standingDisk,
    realpath(): string {
      throw Object.assign(new Error(errno), { code: errno });
    },
  });
  for (const errno of ["EMFILE", "ENFILE", "EIO", "ESTALE", "ENOMEM"])
    expect(readFacts("/srv/a.fcgi", failing(errno))).rejects.toThrow(errno);
  for (const errno of ["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"])
    expect(await readFacts("/srv/a.fcgi", failing(errno))).toEqual({ kind: "missing" });
  for (const errno of ["EACCES", "EPERM"])
    expect(await readFacts("/srv/a.fcgi", failing(errno))).toEqual({ kind: "denied" });
});

describe("the file lookup", () => {
  test("follows links, tells files from folders, and changes its answer with the file", async () => {
    using dir = makeTempDir();
    const clock = new FakeClock();
    const lookup = createFileLookup(clock, readFactsOf);
    const path = dir.at("a.fcgi");
    expect((await lookup(path)).kind).toBe("missing");
    writeFileSync(path, "one");
    symlinkSync(path, dir.at("link"));
    const before = await lookup(dir.at("link"));
    expect(before).toMatchObject({ kind: "file", realPath: path, readable: true, executable: false });
    expect(await lookup(dir.path)).toMatchObject({ kind: "other", realPath: dir.path });
    chmodSync(path, 0o755);
    writeFileSync(dir.at("new"), "two, longer");
    renameSync(dir.at("new"), path);
    expect(await lookup(dir.at("link"))).toEqual(before);
    clock.advance(1000);
    const after = await lookup(dir.at("link"));
    expect(after).not.toEqual(before);
  });

  test("answers at once for a file it has just seen, and looks again behind the answer after half a second", async () => {
    using dir = makeTempDir();
    const clock = new FakeClock();
    const lookup = createFileLookup(clock, readFactsOf);
    const path = dir.at("a.fcgi");
    writeFileSync(path, "one");
    const first = await lookup(path);
    writeFileSync(path, "longer than before");
    clock.advance(500);
    expect(lookup(path)).toEqual(first);
    const pending = lookup(`${path}.missing`);
    expect(pending).toBeInstanceOf(Promise);
    await pending;
    await waitUntil("the new facts are known", () => !Bun.deepEquals(lookup(path), first));
  });

  test("does not remember that a file is missing", async () => {
    using dir = makeTempDir();
    const lookup = createFileLookup(new FakeClock(), readFactsOf);
    expect((await lookup(dir.at("new.fcgi"))).kind).toBe("missing");
    writeFileSync(dir.at("new.fcgi"), "x");
    expect((await lookup(dir.at("new.fcgi"))).kind).toBe("file");
  });
});

test("a look that fails is nobody's bug where nobody waits for it, as where a route is only compared", async () => {
  const lookup = createFileLookup(new FakeClock(), () => Promise.reject(new Error("the disk stands")));
  const unowned: unknown[] = [];
  const note = (error: unknown) => void unowned.push(error);
  process.on("unhandledRejection", note);
  expect(lookup("/srv/a.fcgi") === undefined).toBe(false);
  await Bun.sleep(1);
  process.off("unhandledRejection", note);
  expect(unowned).toEqual([]);
  expect(lookup("/srv/a.fcgi")).rejects.toThrow("the disk stands");
});

describe("the lookup of executables, while a disk stands,", () => {
  const standing = () => {
    const clock = new FakeClock();
    const disk = { stands: true, looks: 0, identity: "one" };
    const lookup = createExecutableLookup(clock, async () => {
      disk.looks++;
      if (!disk.stands) return { kind: "file", identity: disk.identity } as FileFacts;
      clock.advance(5000);
      throw new Error("the disk stands");
    });
    return { clock, disk, lookup: () => lookup("/srv/bin/server") };
  };

  test("tells the version of before, and is not asked all the time", async () => {
    const { clock, disk, lookup } = standing();
    disk.stands = false;
    expect(await lookup()).toBe("one");
    disk.stands = true;
    clock.advance(1000);
    expect(await lookup()).toBe("one");
    clock.advance(90_000);
    expect([lookup(), disk.looks]).toEqual(["one", 2]);
    Object.assign(disk, { stands: false, identity: "two" });
    clock.advance(20_000);
    expect(await lookup()).toBe("two");
  });

  test("fails where none is known: nothing runs yet", async () => {
    const { lookup } = standing();
    expect(lookup()).rejects.toThrow("the disk stands");
  });
});

test("the lookup of executables tells another version when one is replaced, and none while it is missing", async () => {
  const clock = new FakeClock();
  const file = { kind: "file", identity: "one" } as FileFacts;
  let facts: FileFacts = { kind: "missing" };
  const lookup = createExecutableLookup(clock, async () => facts);
  const next = async (found: FileFacts) => {
    facts = found;
    clock.advance(1000);
    return await lookup("/usr/bin/php-cgi");
  };
  expect(await next(facts)).toBe("missing");
  expect(await next(file)).toBe("one");
  for (const kind of ["missing", "denied"] as const) expect(await next({ kind })).toBe("one");
  expect(lookup("/usr/bin/php-cgi")).toBe("one");
  expect(await next({ ...file, identity: "two" } as FileFacts)).toBe("two");
});
