import { expect, test } from "bun:test";
import { explainExec } from "../../src/start/exec-failure.ts";
import type { Program } from "../../src/start/program.ts";
import { appConfig } from "../support/app-config.ts";

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
