import { expect, test } from "bun:test";
import { copyFileSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { isRoot } from "../support/server-process.ts";
import { EXECUTABLE, startStdFpm } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const LAB = "dist/test-programs/lab";

/** A program and the libraries that it is linked to. */
function putWithLibraries(program: string, jail: string, name: string): void {
  copyFileSync(program, `${jail}${name}`);
  const libraries = Bun.spawnSync(["ldd", program])
    .stdout.toString()
    .matchAll(/(\/\S+) \(0x/g);
  for (const [, library] of libraries) {
    mkdirSync(dirname(`${jail}${library}`), { recursive: true });
    copyFileSync(library as string, `${jail}${library}`);
  }
}

test("a program runs in a jail by chroot(8), as docs/from/spawn-fcgi.md says", async () => {
  using dir = makeTempDir();
  const jail = dir.at("jail");
  mkdirSync(jail);
  putWithLibraries(LAB, jail, "/app.fcgi");
  await using fpm = new AsyncDisposableStack();
  const daemon = await startStdFpm({
    folder: dir.path,
    // Only root may: whoever is not becomes it in a namespace, where there is one user.
    command: isRoot() ? [EXECUTABLE] : ["unshare", "-r", EXECUTABLE],
    apps: `[[apps]]
match = "${jail}/app.fcgi"
user = "root"
command = ["/usr/sbin/chroot", "--userspec=${isRoot() ? "33:33" : "0:0"}", "${jail}", "/app.fcgi"]
`,
  });
  fpm.defer(() => daemon.stop());
  using client = await connectFcgi(daemon.socket);
  const { stdout } = await client.request(`${jail}/app.fcgi`, { params: { QUERY_STRING: "op=env" } });
  expect(stdout).toContain("\ncwd=/\n");
  expect(stdout).toContain(`SCRIPT_FILENAME=${jail}/app.fcgi`);
});
