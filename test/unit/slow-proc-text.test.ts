import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseStat } from "../../src/base/proc-stat.ts";
import {
  parseCpuWait,
  parseDescriptor,
  parseLockHolders,
  parsePids,
  parseSyscall,
  parseWchan,
} from "../../src/slow/proc-text.ts";
import { parseSocketLine, SOCKET_TABLES } from "../../src/slow/socket-table.ts";

const STAT_TAIL = "S 1 7 7 0 -1 4194560 4583 45488 0 14 120 34 13 20 0 1 0 2199459 5124096 948";

describe("stat", () => {
  test("gives name, state and CPU time, whatever the name", () => {
    const told = { state: "S", parent: 1, flags: 4_194_560, cpuMs: 1540, startTicks: "5124096" };
    expect(parseStat(`7 (php-cgi) ${STAT_TAIL}`)).toEqual({ name: "php-cgi", ...told });
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (name) => {
        expect(parseStat(`7 (${name}) ${STAT_TAIL}`)).toEqual({ name, ...told });
      }),
    );
  });

  test("cut off anywhere it is either read in full or not at all", () => {
    const whole = `7 (a) b) ${STAT_TAIL}`;
    for (let end = 0; end < whole.length; end++) {
      const stat = parseStat(whole.slice(0, end));
      if (stat) expect([stat.name, stat.state]).toEqual(["a) b", "S"]);
    }
  });
});

describe("syscall", () => {
  test("gives the number and arguments that may be descriptors or processes", () => {
    const text = "61 0xffffffffffffffff 0x7ffc6e10c830 0x0 0x0 0x7f 0x0 0x7ffc6e10c710 0x7fc3a433baec\n";
    expect(parseSyscall(text)?.number).toBe(61);
    expect(parseSyscall(text)?.args[0]).toBe(-1);
    expect(parseSyscall("0 0x5 0x7ffc 0x1000 0x0 0x0 0x0 0x7ffc 0x7fc3")).toEqual({
      number: 0,
      args: [5, 0x7ffc, 0x1000, 0, 0, 0],
    });
  });

  test.each(["running\n", "-1 0x7ffc6e10c710 0x7fc3a433baec\n", "", "0", "61 0x"])(
    "%j is no call",
    (text) => {
      expect(parseSyscall(text)).toBeUndefined();
    },
  );
});

test("wchan gives the function without what a compiler appends, or nothing", () => {
  expect(parseWchan("poll_schedule_timeout.constprop.0")).toBe("poll_schedule_timeout");
  expect(parseWchan("hrtimer_nanosleep")).toBe("hrtimer_nanosleep");
  expect([parseWchan("0"), parseWchan("")]).toEqual(["", ""]);
});

test("schedstat gives the wait for a CPU, children their pids", () => {
  expect(parseCpuWait("90000000 86630000 12\n")).toBeCloseTo(86.63);
  expect([parseCpuWait(""), parseCpuWait("x y")]).toEqual([0, 0]);
  expect(parsePids("812 813 \n")).toEqual([812, 813]);
});

describe("locks", () => {
  const text = `1: POSIX  ADVISORY  READ  7 fe:00:22 0 EOF
2: FLOCK  ADVISORY  WRITE 812 fe:00:33 0 EOF
2: -> FLOCK  ADVISORY  WRITE 813 fe:00:33 0 EOF
2:  -> FLOCK  ADVISORY  WRITE 814 fe:00:33 0 EOF
3: OFDLCK ADVISORY  WRITE -1 fe:00:44 0 EOF
3: -> POSIX  ADVISORY  WRITE 815 fe:00:44 0 EOF
4: FLOCK  ADVISORY  WRITE 0 fe:00:55 0 EOF
4: -> FLOCK  ADVISORY  WRITE 816 fe:00:55 0 EOF
`;

  test("give the holder of what a process waits for, also behind another one that waits", () => {
    expect(parseLockHolders(text, 813)).toEqual([812]);
    expect(parseLockHolders(text, 814)).toEqual([812]);
  });

  test("of one that waits for nothing, or whose holder is not known, give none", () => {
    for (const pid of [7, 812, 815, 816, 999]) expect(parseLockHolders(text, pid)).toEqual([]);
  });
});

describe("a descriptor", () => {
  test.each([
    ["socket:[123]", { inode: "123" }],
    ["pipe:[5]", { kind: "pipe", name: "a pipe" }],
    ["/srv/a b (deleted)", { kind: "file", name: "/srv/a b (deleted)" }],
    ["/var/lib/php/sessions/sess_1a,b-c", { kind: "file", name: "/var/lib/php/sessions/sess_…" }],
    ["/tmp/x/cgi_0123456789abcdef0123/data", { kind: "file", name: "/tmp/x/cgi_…/data" }],
    ["/srv/aLongNameWithoutAnyDigitInIt", { kind: "file", name: "/srv/aLongNameWithoutAnyDigitInIt" }],
    ["/dev/null", { kind: "other", name: "/dev/null" }],
    ["anon_inode:[eventpoll]", { kind: "other", name: "eventpoll" }],
    ["anon_inode:inotify", { kind: "other", name: "inotify" }],
  ] as const)("%s", (link, parsed) => {
    expect(parseDescriptor(link)).toEqual(parsed);
  });
});

describe("a line of the tables of sockets", () => {
  const inet = (local: string, remote: string, state = "01") =>
    `  12: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000  33        0 4711 1 0000 100 0 0 10 0`;

  test.each([
    ["tcp", inet("0100007F:B6F7", "010200C0:0CEA"), "tcp 192.0.2.1:3306"],
    ["tcp", inet("0100007F:B6F7", "010200C0:0CEA", "02"), "tcp 192.0.2.1:3306 (connecting)"],
    ["tcp", inet("0100007F:B6F7", "010200C0:0CEA", "08"), "tcp 192.0.2.1:3306 (closed by the other side)"],
    ["tcp", inet("00000000:0050", "00000000:0000", "0A"), "tcp 0.0.0.0:80 (listening)"],
    ["udp", inet("0100007F:B6F7", "3500007F:0035"), "udp 127.0.0.53:53"],
    ["udp", inet("00000000:0044", "00000000:0000", "07"), "udp 0.0.0.0:68 (not connected)"],
    [
      "tcp6",
      inet("00000000000000000000000001000000:B6F7", "B80D0120000000000000000001000000:01BB"),
      "tcp [2001:db8::1]:443",
    ],
    [
      "tcp6",
      inet("00000000000000000000000001000000:B6F7", "0000000000000000FFFF0000010200C0:0CEA"),
      "tcp 192.0.2.1:3306",
    ],
    [
      "unix",
      "000000004178e90a: 00000002 00000000 00010000 0001 01  4711 /run/my db.sock",
      "unix /run/my db.sock",
    ],
    ["unix", "0000000000000000: 00000003 00000000 00000000 0001 03 4711 @abstract", "unix @abstract"],
    ["unix", "0000000000000000: 00000003 00000000 00000000 0001 03 4711", "unix"],
  ] as const)("%s: %s", (table, line, name) => {
    expect(parseSocketLine(table, line)).toEqual({ inode: "4711", name });
  });

  test("is no heading", () => {
    const heading =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
    expect(parseSocketLine("tcp", heading)).toBeUndefined();
    expect(
      parseSocketLine("unix", "Num       RefCount Protocol Flags    Type St Inode Path"),
    ).toBeUndefined();
  });
});

test("rubbish is never taken for anything, and nothing throws", () => {
  const rubbish = fc.oneof(
    fc.string({ unit: "binary" }),
    fc
      .array(
        fc.constantFrom("0x", "->", "1:", "(", ")", " ", "\n", "FLOCK", "9", "00000000:0050", "socket:["),
      )
      .map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(rubbish, (text) => {
      parseStat(text);
      parseWchan(text);
      expect(parseSyscall(text)).toBeUndefined();
      expect(parseCpuWait(text)).toBeNumber();
      expect(parseLockHolders(text, 812)).toEqual([]);
      for (const pid of parsePids(text)) expect(pid).toBeInteger();
      parseDescriptor(text);
      for (const table of SOCKET_TABLES) expect(parseSocketLine(table, text)).toBeUndefined();
    }),
  );
});
