import { afterEach, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { AdminSocketFile } from "../../src/admin/admin-socket.ts";
import { umaskOf } from "../../src/base/proc-stat.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const own = process.umask();

afterEach(() => {
  process.umask(own);
});

test.each([
  ["is left alone where it lets nobody else write: all threads may have it in common", 0o022, 0o022],
  ["is another one for a moment where it would let others write", 0o002, 0o177],
])("the umask with which the socket is made %s", (_what, umask, meanwhile) => {
  using dir = makeTempDir();
  const file = new AdminSocketFile(dir.at("admin.sock"), false);
  process.umask(umask);
  let seen: number | undefined;
  const server = file.listenPrivately(() => {
    seen = umaskOf(process.pid);
    return Bun.serve({ unix: file.draft, fetch: () => new Response("") });
  });
  expect([seen, umaskOf(process.pid)]).toEqual([meanwhile, umask]);
  expect(statSync(file.draft).mode & 0o022).toBe(0);
  file.publish(undefined);
  expect(statSync(file.path).mode & 0o777).toBe(0o600);
  file.remove();
  void server.stop(true);
});
