import { describe, expect, test } from "bun:test";
import { accountOf, groupId, groupsOf, userId } from "../../src/base/accounts.ts";

describe("users and groups", () => {
  test("are found by name and taken by number", () => {
    expect([userId("root"), userId("12"), userId("no-such-user")]).toEqual([0, 12, undefined]);
    expect([groupId("root"), groupId("12"), groupId("no-such-group")]).toEqual([0, 12, undefined]);
  });

  test("have no numbers from -1 on, which the kernel takes for others", () => {
    const found = ["4294967294", "4294967295", "4294967296", "18446744073709551616"].map((id) => [
      userId(id),
      groupId(id),
      accountOf(id)?.uid,
    ]);
    const none = [undefined, undefined, undefined];
    expect(found).toEqual([[4_294_967_294, 4_294_967_294, undefined], none, none, none]);
    expect(accountOf(4_294_967_296)).toBeUndefined();
  });

  test("a user has a name, a home and groups", () => {
    expect(accountOf("root")).toEqual({ name: "root", uid: 0, gid: 0, home: "/root", shell: "/bin/bash" });
    expect(accountOf(0)).toEqual(accountOf("root"));
    expect([accountOf("no-such-user"), accountOf(4_000_000_000)]).toEqual([undefined, undefined]);
    expect(groupsOf("root", 0)).toContain(0);
    expect(groupsOf("nobody", 65534)).toEqual([65534]);
  });
});

test("threads that look users up at the same time each find their own", async () => {
  // These have their numbers on every Debian, and groups of the same name and number.
  const users = { root: 0, daemon: 1, sys: 3, mail: 8 };
  const looking = Object.entries(users).map(([name, uid]) => {
    const worker = new Worker(new URL("../support/account-thread.ts", import.meta.url).href);
    const { promise, resolve } = Promise.withResolvers<number>();
    worker.onmessage = ({ data }: MessageEvent<number>) => resolve(data);
    worker.postMessage(JSON.stringify({ name, uid, times: 3000 }));
    return promise.finally(() => worker.terminate());
  });
  expect(await Promise.all(looking)).toEqual([0, 0, 0, 0]);
});
