import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { accountOf, groupId, groupsOf, runAs, userId } from "../../src/base/accounts.ts";

const isRoot = process.geteuid?.() === 0;
const idsOf = (text: string) =>
  [...text.matchAll(/^(Uid|Gid|Groups):\s*(.*?)\s*$/gm)].map((match) => match[2]);

describe("users and groups", () => {
  test("are found by name and taken by number", () => {
    expect([userId("root"), userId("12"), userId("no-such-user")]).toEqual([0, 12, undefined]);
    expect([groupId("root"), groupId("12"), groupId("no-such-group")]).toEqual([0, 12, undefined]);
  });

  test("a user has a name, a home and groups", () => {
    expect(accountOf("root")).toEqual({ name: "root", uid: 0, gid: 0, home: "/root" });
    expect(accountOf(0)).toEqual(accountOf("root"));
    expect([accountOf("no-such-user"), accountOf(4_000_000_000)]).toEqual([undefined, undefined]);
    expect(groupsOf("root", 0)).toContain(0);
    expect(groupsOf("nobody", 65534)).toEqual([65534]);
  });
});

describe("running as another user", () => {
  const status = ["/bin/cat", "/proc/self/status"];
  const own = () => idsOf(readFileSync("/proc/thread-self/status", "utf8"));

  test("starts a program with that user's numbers only, and comes back; only root may", () => {
    const before = own();
    const start = () =>
      runAs({ uid: 65534, gid: 65534, groups: [65534, 12] }, () => Bun.spawnSync(status).stdout.toString());
    if (isRoot)
      expect(idsOf(start())).toEqual([
        "65534	65534	65534	65534",
        "65534	65534	65534	65534",
        "12 65534",
      ]);
    else expect(start).toThrow("setgroups failed: Operation not permitted.");
    expect(own()).toEqual(before);
  });

  test("comes back after an error, too", () => {
    const before = own();
    const start = () =>
      runAs({ uid: 65534, gid: 65534, groups: [] }, () => {
        throw new RangeError("no");
      });
    expect(start).toThrow(isRoot ? "no" : "not permitted");
    expect(own()).toEqual(before);
  });
});
