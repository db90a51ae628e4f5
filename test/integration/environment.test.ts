import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { descriptorsOf } from "../support/processes.ts";
import { isRoot } from "../support/server-process.ts";
import { type Site, startSite } from "../support/site.ts";
import { EXECUTABLE, startStdFpm } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";

let site: Site;
let pid: number;
/** What the program says of itself: its environment, its folder, its descriptors. */
let own: string[];

beforeAll(async () => {
  site = await startSite({
    env: { SECRET: "of the manager", NOTIFY_SOCKET: "/nowhere", LISTEN_FDS: "0", HOME: "/nowhere" },
    programEnv: { GREETING: "hello" },
  });
  const [, environment = "", rest = ""] = (await site.text("lab.fcgi?op=env")).split("--\n");
  own = [...environment.split("\n"), ...rest.split("\n")];
  pid = Number(await site.text("lab.fcgi"));
});

afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

describe("a program's process", () => {
  test("has a clean environment with what the configuration adds", () => {
    expect(own).toContain("GREETING=hello");
    const names = own.filter((line) => /^[A-Z_]+=/.test(line)).map((line) => line.split("=")[0] ?? "");
    expect(names).toContain("PATH");
    for (const name of ["SECRET", "NOTIFY_SOCKET", "LISTEN_FDS", "FCGI_WEB_SERVER_ADDRS"]) {
      expect(names).not.toContain(name);
    }
    expect(own).not.toContain("HOME=/nowhere");
  });

  test("knows its user, its home and its shell, whatever the environment of std-fpm says", () => {
    const { name, home, shell } = accountOf(String(process.getuid?.()));
    expect(own.filter((line) => /^(?:USER|LOGNAME|HOME|SHELL)=/.test(line))).toEqual([
      `USER=${name}`,
      `LOGNAME=${name}`,
      `HOME=${home}`,
      `SHELL=${shell}`,
    ]);
  });

  test("works in the folder of its program", () => {
    expect(own).toContain(`cwd=${site.root}`);
  });

  test("has a socket as descriptor 0, two more, and nothing of the manager's", () => {
    const descriptors = descriptorsOf(pid);
    expect(descriptors.get(0)).toStartWith("socket:");
    expect(descriptors.has(1) && descriptors.has(2)).toBe(true);
    const others = [...descriptors].filter(([fd]) => fd > 2);
    // One more at most: the connection to the manager.
    expect(others.length).toBeLessThanOrEqual(1);
  });

  test("has a process group of its own", () => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    expect(Number(group)).toBe(pid);
  });

  test("has a soft limit of 1024 descriptors", () => {
    const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
    expect(limits).toMatch(/^Max open files\s+1024\s/m);
  });

  test("has the default disposition of all signals but those it chose", () => {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const mask = (name: string) =>
      BigInt(`0x${new RegExp(`^${name}:\\s+([0-9a-f]+)$`, "m").exec(status)?.[1]}`);
    expect(mask("SigBlk")).toBe(0n);
    // lab.c itself ignores SIGCHLD (17), libfcgi SIGPIPE (13); 32 and 33 belong to the C library, and a caller that
    // uses posix_spawn (make, for one) leaves them ignored.
    const chosen = (1n << 16n) | (1n << 12n) | (1n << 31n) | (1n << 32n);
    expect(mask("SigIgn") & ~chosen).toBe(0n);
  });

  test("is reached over a socket in a folder that nobody else can enter", () => {
    const listing = Bun.spawnSync([
      "stat",
      "-c",
      "%a",
      site.fpm.runtimeDir,
      `${site.fpm.runtimeDir}/backends`,
    ]);
    expect(listing.stdout.toString().trim().split("\n")).toEqual(["755", "700"]);
  });
});

test.each([
  ["of its account", "/nowhere"],
  ["of its account, not one of another user", "/"],
  ["of its account, not one out of reach", "/root/none"],
  ["that std-fpm has itself, if that is the user's", "$FOLDER"],
])("a program without a `user` has the home %s", async (_which, homeOfDaemon) => {
  using dir = makeTempDir();
  chmodSync(dir.path, 0o755);
  const script = dir.at("home.cgi");
  writeFileSync(script, '#!/bin/sh\nprintf "Content-Type: text/plain\\n\\n$USER $LOGNAME $HOME $SHELL"\n', {
    mode: 0o755,
  });
  const become = ["setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups", "--"];
  const asOther = ["/bin/sh", "-c", `chown -R www-data ${dir.path} && exec ${become.join(" ")} "$0" "$@"`];
  await using stack = new AsyncDisposableStack();
  const fpm = await startStdFpm({
    folder: dir.path,
    command: isRoot() ? [...asOther, EXECUTABLE] : [EXECUTABLE],
    app: 'protocol = "cgi"\nextensions = [".cgi"]\nuser = ""',
    env: { HOME: homeOfDaemon.replace("$FOLDER", dir.path), USER: "nobody" },
  });
  stack.defer(() => fpm.stop());
  const { name, home, shell } = accountOf(isRoot() ? "www-data" : String(process.getuid?.()));
  const expected = homeOfDaemon === "$FOLDER" ? dir.path : home;
  using client = await connectFcgi(fpm.socket);
  expect((await client.request(script)).stdout).toEndWith(`${name} ${name} ${expected} ${shell}`);
});

function accountOf(user: string) {
  const line = Bun.spawnSync(["getent", "passwd", user]).stdout.toString().trim();
  const [name, , , , , home, shell] = line.split(":");
  return { name, home, shell };
}
