import { expect, test } from "bun:test";
import { isNoexecIn, isOnNoexec } from "../../src/base/mounts.ts";

const MOUNTS = [
  "21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw",
  "22 21 0:20 / /tmp rw,nosuid,nodev,noexec,relatime shared:2 - tmpfs tmpfs rw",
  "23 22 0:21 / /tmp/bin rw,relatime - tmpfs tmpfs rw,noexec",
  "24 21 0:22 / /with\\040space rw,noexec - tmpfs tmpfs rw",
  "25 21 0:23 / /twice rw,noexec - tmpfs tmpfs rw",
  "26 25 0:24 / /twice rw - tmpfs tmpfs rw",
  "",
].join("\n");

test.each([
  ["/srv/a", false],
  ["/tmp", true],
  ["/tmp/x/a", true],
  ["/tmpfile", false],
  ["/tmp/bin/a", false],
  ["/with space/a", true],
  ["/twice/a", false],
])("%s is on a file system with noexec: %p", (path, expected) => {
  expect(isNoexecIn(MOUNTS, path)).toBe(expected);
});

test("where nothing is mounted nothing has noexec", () => {
  expect(isNoexecIn("", "/srv/a")).toBe(false);
});

test("what the kernel lists is read, at once or not", async () => {
  const proc = /^\S+ \S+ \S+ \S+ \/proc (\S+)/m.exec(await Bun.file("/proc/self/mountinfo").text());
  const expected = proc?.[1]?.split(",").includes("noexec") ?? false;
  expect(isOnNoexec("/proc/version")).toBe(expected);
  expect(isOnNoexec("/bin/sh")).toBe(false);
});
