import { expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { explainExec, explainNoFormat } from "../../src/start/exec-failure.ts";
import type { Program } from "../../src/start/program.ts";
import { appConfig } from "../support/app-config.ts";
import { makeTempDir } from "../support/temp-dir.ts";

test("where no further process may be, each limit that may be the cause is named", () => {
  const why = (cgroup: string) => {
    const app = appConfig({ cgroup });
    return explainExec({ argv: ["/srv/a.fcgi"], cwd: "/", app } as unknown as Program, "EAGAIN");
  };
  expect(why("")).toBe(
    "no further process may be: its user's limit (limits.nproc), pids.max of std-fpm's control group or the system's limit is reached",
  );
  expect(why("/sys/fs/cgroup/shop")).toContain("pids.max of /sys/fs/cgroup/shop or");
});

test("where nothing may be executed, the file that keeps from it is named", () => {
  using dir = makeTempDir();
  chmodSync(dir.path, 0o755);
  const why = (name: string, text: string, mode: number) => {
    writeFileSync(dir.at(name), text);
    chmodSync(dir.at(name), mode);
    const program = {
      argv: [dir.at(name)],
      cwd: dir.path,
      app: appConfig({ user: "65534", group: "65534" }),
    };
    return explainExec(program as unknown as Program, "EACCES");
  };
  const isRoot = process.geteuid?.() === 0;
  const owner = process.geteuid?.();
  expect(why("empty.cgi", "#!\n", 0o755)).toBe(`the #! line of ${dir.at("empty.cgi")} names no interpreter`);
  expect(why("folder.cgi", "#!/etc\n", 0o755)).toBe(
    `interpreter /etc of ${dir.at("folder.cgi")} is a folder`,
  );
  // Whom it runs as is known to root alone.
  if (!isRoot) return;
  expect(why("own.cgi", "#!/bin/sh\n", 0o700)).toBe(
    `no permission for user 65534 to execute ${dir.at("own.cgi")}: its mode is 0700, its owner user ${owner}`,
  );
  why("tool", "", 0o750);
  expect(why("tooled.cgi", `#!${dir.at("tool")}\n`, 0o755)).toBe(
    `no permission for user 65534 to execute ${dir.at("tool")}, the interpreter of ${dir.at("tooled.cgi")}: its mode is 0750, its owner user ${owner}`,
  );
  chmodSync(dir.path, 0o700);
  expect(why("own.cgi", "#!/bin/sh\n", 0o755)).toBe(
    `no permission for user 65534 to enter the folder ${dir.path}`,
  );
});

test("where the kernel knows no format, the line or the interpreter is named that is the cause", () => {
  using dir = makeTempDir();
  const why = (text: string) => {
    writeFileSync(dir.at("a.cgi"), text);
    const program = { argv: [dir.at("a.cgi")], cwd: dir.path, app: appConfig({}) };
    return explainExec(program as unknown as Program, "ENOEXEC").replaceAll(dir.path, "");
  };
  expect(why("print 1\n")).toBe(
    "/a.cgi is neither an executable nor a script: its first line must be #! and an interpreter",
  );
  expect(why("#!\n")).toBe("the #! line of /a.cgi names no interpreter");
  expect(why(`#!/${"d/".repeat(200)}perl\n`)).toBe(
    "the interpreter in the #! line of /a.cgi is not over after 256 bytes, the most that the kernel reads: give it a shorter path",
  );
  expect(why("#!/srv/broken -w\n")).toBe(
    "the interpreter /srv/broken of /a.cgi, or one of that, is neither an executable nor a script",
  );
  const chain = (text: string) => {
    writeFileSync(dir.at("b"), text);
    return explainNoFormat(dir.at("a.cgi"), dir.at("b")).replaceAll(dir.path, "");
  };
  expect(chain("print 1\n")).toBe("the interpreter /b of /a.cgi is neither an executable nor a script");
  expect(chain("#!\n")).toBe("the #! line of /b, an interpreter of /a.cgi, names no interpreter");
});
