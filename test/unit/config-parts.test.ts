import { describe, expect, test } from "bun:test";
import { findKeyLines, lineOf } from "../../src/config/key-lines.ts";
import { formatListenAddress, parseListenAddress } from "../../src/config/listen-address.ts";
import { nearest } from "../../src/config/nearest.ts";
import { parseDuration, parseSize } from "../../src/config/units.ts";

describe("units", () => {
  test("durations become milliseconds", () => {
    expect(["0", "500ms", "30s", "3m", "1h", "007s"].map(parseDuration)).toEqual([
      0, 500, 30_000, 180_000, 3_600_000, 7000,
    ]);
    for (const bad of ["", "5", "s", "1.5s", "-1s", "1 s", "1d", "1S", " 1s", "1s\n"]) {
      expect(parseDuration(bad)).toBeUndefined();
    }
  });

  test("sizes become bytes", () => {
    expect(["0", "512", "64K", "256M", "1G"].map(parseSize)).toEqual([
      0, 512, 65_536, 268_435_456, 1_073_741_824,
    ]);
    for (const bad of ["", "K", "1k", "1.5M", "-1", "1 K", "1T"]) expect(parseSize(bad)).toBeUndefined();
  });
});

describe("listening addresses", () => {
  test("the good ones are printed as they were written", () => {
    for (const text of [
      "/run/x.sock",
      "127.0.0.1:1",
      "0.0.0.0:65535",
      "[::1]:9000",
      "[::]:9000",
      "[fe80::1:2]:80",
      "[::ffff:1.2.3.4]:80",
      "[1:2:3:4:5:6:7:8]:9",
    ]) {
      const address = parseListenAddress(text);
      expect(address && formatListenAddress(address)).toBe(text);
    }
  });

  test("all else is refused", () => {
    for (const text of [
      "",
      "9000",
      ":9000",
      "localhost:9000",
      "unix:/run/x",
      "run/x.sock",
      "1.2.3:80",
      "1.2.3.256:80",
      "01.2.3.4:80",
      "127.0.0.1:0",
      "127.0.0.1:65536",
      "::1:9000",
      "[::1]",
      "[1:2]:80",
      "[1::2::3]:80",
      "[12345::]:80",
      "[1:2:3:4:5:6:7::8]:80",
      "[::1.2.3]:80",
      "[]:80",
    ]) {
      expect(parseListenAddress(text)).toBeUndefined();
    }
  });
});

describe("suggestions", () => {
  test("the nearest candidate is named, a far one is not", () => {
    expect(nearest("idel_timeout", ["queue_timeout", "idle_timeout"])).toBe("idle_timeout");
    expect(nearest("chekc", ["serve", "check", "config"])).toBe("check");
    expect(nearest("xyz", ["serve", "check"])).toBeUndefined();
    expect(nearest("", ["t"])).toBeUndefined();
  });
});

describe("lines of keys", () => {
  const text = `# comment with [brackets] = 1
top = 1
[app]
  idle_timeout = "3m" # here = there
text = """
[log]
level = "no"
""" # end
"quoted key" = 'x # y'
list = [ # [
  "a = 1",
  "]",
]
env.LANG = "C"
after = 1
[[apps]]
match = "/a"
[apps.env]
A = "1"
[[apps]]
match = "/b"
env = { B = "2",
  C = "3" }
[server] # last`;
  const lines = findKeyLines(text);

  test("every key and table is found where it is, whatever strings and lists contain", () => {
    expect(Object.fromEntries(lines)).toEqual({
      top: 2,
      app: 3,
      "app.idle_timeout": 4,
      "app.text": 5,
      "app.quoted key": 9,
      "app.list": 10,
      "app.env.LANG": 14,
      "app.after": 15,
      "apps[0]": 16,
      "apps[0].match": 17,
      "apps[0].env": 18,
      "apps[0].env.A": 19,
      "apps[1]": 20,
      "apps[1].match": 21,
      "apps[1].env": 22,
      server: 24,
    });
  });

  test("what has no line of its own has that of the table or list around it", () => {
    expect(lineOf(lines, "apps[1].env.C")).toBe(22);
    expect(lineOf(lines, "app.list[1]")).toBe(10);
    expect(lineOf(lines, "apps[0].missing")).toBe(16);
    expect(lineOf(lines, "log.level")).toBeUndefined();
  });

  test("an empty text has none", () => {
    expect(findKeyLines("").size).toBe(0);
    expect(findKeyLines("\n# only this").size).toBe(0);
  });
});
