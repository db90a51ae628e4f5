import { describe, expect, test } from "bun:test";
import { existsSync, symlinkSync } from "node:fs";
import { procProblem } from "../../src/base/proc-folder.ts";
import { isRoot } from "../support/server-process.ts";
import { EXECUTABLE } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const ADVICE = "mount -t proc proc /proc";

/** How the executable ends, and what it says, after a shell's commands in namespaces of its own. */
async function runIn(namespaces: readonly string[], before: string, command: "serve" | "check") {
  using dir = makeTempDir();
  const [config, runtimeDir] = [dir.at("std-fpm.toml"), dir.at("run")];
  const server = `listen = "${dir.at("socket")}"\nruntime_dir = "${runtimeDir}"\ninclude = ""`;
  await Bun.write(config, `[server]\n${server}\n[app]\nuser = "root"\n`);
  const script = `${before}\nexec "$0" "$@"`;
  const run = Bun.spawn(
    ["unshare", ...namespaces, "sh", "-ec", script, EXECUTABLE, command, "--config", config],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const text = `${await new Response(run.stdout).text()}${await new Response(run.stderr).text()}`;
  return { status: await run.exited, text, isLeft: existsSync(runtimeDir) };
}

describe("/proc", () => {
  test("is missing where its own process is not in it, or has another number there", () => {
    using dir = makeTempDir();
    expect(procProblem(dir.path)).toStartWith(`${dir.path} is not mounted`);
    symlinkSync("4711", dir.at("self"));
    expect(procProblem(dir.path, 1)).toContain("another PID namespace: this process is 1, and 4711 there");
    expect(procProblem(dir.path, 4711)).toBeUndefined();
    expect(procProblem()).toBeUndefined();
  });

  // Without root's rights nobody can cover it; the test above is what can be seen then.
  test.each(["serve", "check"] as const)(
    "of another PID namespace is refused by %s, with the advice",
    async (command) => {
      if (!isRoot()) return;
      const { status, text, isLeft } = await runIn(["--pid", "--fork"], "", command);
      expect([status, text.trim().split("\n").length, isLeft]).toEqual([1, 1, false]);
      expect(text).toContain("/proc is that of another PID namespace: this process is 1, and ");
      expect(text).toContain(ADVICE);
    },
  );

  test.each(["serve", "check"] as const)(
    "that has nothing but what the runtime needs is refused by %s",
    async (command) => {
      if (!isRoot()) return;
      const stack = "000000000000-ffffffffffff rw-p 00000000 00:00 0 [stack]";
      const cover = `mount -t tmpfs none /proc; mkdir /proc/self; echo '${stack}' > /proc/self/maps`;
      const { status, text, isLeft } = await runIn(["--mount"], cover, command);
      expect([status, text.trim().split("\n").length, isLeft]).toEqual([1, 1, false]);
      expect(text).toContain("/proc is not mounted");
      expect(text).toContain(ADVICE);
    },
  );

  test.each(["serve", "check"] as const)(
    "that is empty ends the runtime in %s, which says what to do",
    async (command) => {
      if (!isRoot()) return;
      const { status, text, isLeft } = await runIn(["--mount"], "mount -t tmpfs none /proc", command);
      // It crashes before the first line of ours.
      expect([status, isLeft]).toEqual([128 + 6, false]);
      expect(text).toContain(`mount it with: ${ADVICE}\n`);
    },
  );
});
