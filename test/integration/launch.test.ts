import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { basename, join } from "node:path";
import { canSpawnIntoGroup } from "../../src/start/posix-spawn.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { type Site, type SiteOptions, startSite } from "../support/site.ts";
import { edit, logged } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const isRoot = process.geteuid?.() === 0;
/** What is known of a file may be a second old. */
const KNOWN_MS = 1100;

/** What /proc says of a program's process. */
async function statusOf(site: Site, program = "lab.fcgi") {
  const pid = Number(await site.text(program));
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*?)\\s*$`, "m").exec(status)?.[1]?.split(/\s+/);
  return { pid, field, limits: readFileSync(`/proc/${pid}/limits`, "utf8") };
}

/** A site that other users can enter. */
async function openSite(options: SiteOptions): Promise<Site> {
  const site = await startSite(options);
  chmodSync(site.folder, 0o755);
  return site;
}

/** Without root's rights all that can be seen is that the program is refused. */
async function isRefused(site: Site): Promise<boolean> {
  if (isRoot) return false;
  expect((await site.ask("lab.fcgi")).status).toBe(502);
  await waitUntil("the log says why", () =>
    site.fpm.log().includes("only a std-fpm that runs as root can run it as user"),
  );
  return true;
}

describe("user and group", () => {
  test("are those of the processes, with the user's own groups and none of root's", async () => {
    await using site = await openSite({ app: 'user = "www-data"' });
    if (await isRefused(site)) return;
    const { field } = await statusOf(site);
    expect([field("Uid"), field("Gid"), field("Groups")]).toEqual([
      ["33", "33", "33", "33"],
      ["33", "33", "33", "33"],
      ["33"],
    ]);
    expect(field("CapEff")).toEqual(["0000000000000000"]);
    const environment = await site.text("lab.fcgi?op=env");
    expect(environment).toContain("USER=www-data");
    expect(environment).toContain("HOME=/var/www");
  });

  test.each(["at the start", "after a reload"])(
    "are needed where std-fpm runs as root: without a user %s no program is started",
    async (when) => {
      const isLater = when === "after a reload";
      await using site = await startSite({ app: isRoot && isLater ? 'user = "root"' : 'user = ""' });
      if (isRoot && isLater) {
        const before = await site.text("lab.fcgi");
        edit(site.fpm, 'user = "root"', 'user = ""');
        site.fpm.signal("SIGHUP");
        await logged(site.fpm, "configuration reloaded changed=app.user");
        site.put("other.fcgi", { copyOf: "dist/test-programs/lab" });
        expect((await site.ask("other.fcgi")).status).toBe(502);
        expect(await site.text("lab.fcgi")).toBe(before);
      } else expect((await site.ask("lab.fcgi")).status).toBe(isRoot ? 502 : 200);
      if (!isRoot) return;
      await logged(site.fpm, "warn app.user: run by root, std-fpm starts no program: set `user`");
      await logged(
        site.fpm,
        "cannot be started: std-fpm runs as root, and no setting names a user for it: set `user`",
      );
    },
  );

  test("may name a group beside the user's, and numbers", async () => {
    await using site = await openSite({ app: 'user = "33"\ngroup = "mail"' });
    if (await isRefused(site)) return;
    const { field } = await statusOf(site);
    expect([field("Uid")?.[0], field("Gid")?.[0], field("Groups")]).toEqual(["33", "8", ["8"]]);
  });

  test("die with a manager that is killed, although they are another user's", async () => {
    await using site = await openSite({ app: 'user = "www-data"' });
    if (await isRefused(site)) return;
    await site.text("lab.fcgi");
    await site.fpm.kill();
    await waitUntil("no process is left", () => site.fpm.marked().length === 0);
    await site.restart();
  });

  test.each([
    ['user = "no-such-user"', 'there is no user "no-such-user"'],
    ['user = "www-data"\ngroup = "no-such-group"', 'there is no group "no-such-group"'],
    // -1 means "as it is" to the kernel, and what is above it wraps.
    ['user = "4294967295"\ngroup = "mail"', 'there is no user "4294967295"'],
    ['user = "4294967296"\ngroup = "mail"', 'there is no user "4294967296"'],
    ['user = "www-data"\ngroup = "4294967295"', 'there is no group "4294967295"'],
    ['user = "www-data"\ngroup = "4294967296"', 'there is no group "4294967296"'],
  ])("%s is a 502 with the reason in the log", async (app, reason) => {
    await using site = await openSite({ app });
    expect((await site.ask("lab.fcgi")).status).toBe(502);
    await waitUntil("the log says why", () => site.fpm.log().includes(reason));
  });

  test("a program that its user may not execute is a 502 that says so", async () => {
    await using site = await openSite({ app: 'user = "www-data"' });
    if (await isRefused(site)) return;
    site.put("private.fcgi", { copyOf: "dist/test-programs/lab" }, 0o700);
    expect((await site.ask("private.fcgi")).status).toBe(502);
    const why = `no permission for user www-data to execute ${site.root}/private.fcgi`;
    await waitUntil("the log says why", () => site.fpm.log().includes(why));
  });
});

describe('user = "owner"', () => {
  /** A site with a program in a folder of games, user 5. */
  async function ownedSite(more = "") {
    const site = await openSite({ app: `user = "owner"\nlowest_uid = 5\n${more}` });
    const path = site.put("home/own.fcgi", { copyOf: "dist/test-programs/lab" });
    if (isRoot) for (const each of [path, `${site.root}/home`]) chownSync(each, 5, 60);
    return { site, path, folder: `${site.root}/home` };
  }

  test("runs a program as the user who owns it", async () => {
    const { site } = await ownedSite();
    await using _ = site;
    if (!isRoot) return;
    const { field } = await statusOf(site, "home/own.fcgi");
    expect([field("Uid")?.[0], field("Gid")?.[0], field("Groups")]).toEqual(["5", "60", ["60"]]);
  });

  test.each([
    ["a file that others may write", ({ path }: { path: string }) => chmodSync(path, 0o775)],
    ["a folder that others may write", ({ folder }: { folder: string }) => chmodSync(folder, 0o777)],
  ])("refuses %s with 403", async (_what, spoil) => {
    const owned = await ownedSite();
    await using site = owned.site;
    spoil(owned);
    expect((await site.ask("home/own.fcgi")).status).toBe(403);
  });

  test("refuses a link between owners with 403, and says whose it is", async () => {
    const { site, path } = await ownedSite();
    await using _ = site;
    if (!isRoot) return;
    const link = `${site.root}/link.fcgi`;
    symlinkSync(path, link);
    expect((await site.ask("link.fcgi")).status).toBe(200);
    lchownSync(link, 6, 60);
    await Bun.sleep(KNOWN_MS);
    expect((await site.ask("link.fcgi")).status).toBe(403);
    await logged(site.fpm, `the link ${link} belongs to user 6, but what it leads to, to user 5`);
  });

  test("holds for programs without an ending, by every way to name them", async () => {
    const { site, folder } = await ownedSite('extensions = ["", ".fcgi"]\n');
    await using _ = site;
    if (!isRoot) return;
    const tool = site.put("home/tool", { copyOf: "dist/test-programs/lab" });
    chownSync(tool, 5, 60);
    symlinkSync(tool, `${folder}/current.fcgi`);
    symlinkSync("/bin/sh", `${folder}/shell.fcgi`);
    for (const link of ["current.fcgi", "shell.fcgi"]) lchownSync(`${folder}/${link}`, 5, 60);
    const { field } = await statusOf(site, "home/current.fcgi");
    expect(field("Uid")?.[0]).toBe("5");
    // What root has made is nobody's to run as its owner, and a link of user 5 leads to nothing of root.
    expect((await site.ask("home/shell.fcgi")).status).toBe(403);
    await logged(
      site.fpm,
      `the link ${folder}/shell.fcgi belongs to user 5, but what it leads to, to user 0`,
    );
    using client = await connectFcgi(site.fpm.socket);
    const found = { DOCUMENT_ROOT: site.root, SCRIPT_NAME: "/home/tool", QUERY_STRING: "op=env" };
    const ask = async (id: number, params: Record<string, string>) =>
      (await client.request("", { id, keepConn: true, params })).stdout;
    expect(await ask(1, found)).toContain(`SCRIPT_FILENAME=${tool}\n`);
    expect(await ask(2, { PATH_TRANSLATED: tool, QUERY_STRING: "op=env" })).toContain(
      `SCRIPT_FILENAME=${tool}\n`,
    );
    chmodSync(tool, 0o777);
    await Bun.sleep(KNOWN_MS);
    expect(await ask(3, found)).toStartWith("Status: 403");
    expect(await ask(4, { PATH_TRANSLATED: tool })).toStartWith("Status: 403");
  });

  test("starts nothing but what was checked, also when no request asks for it", async () => {
    const { site, path } = await ownedSite("min_processes = 1\n");
    await using _ = site;
    if (!isRoot) return;
    const pid = Number(await site.text("home/own.fcgi"));
    chownSync(path, 6, 60);
    process.kill(pid, "SIGKILL");
    await logged(site.fpm, `cannot be started: ${path}: it belongs to user 6 now`);
    expect(site.fpm.backends()).toEqual([]);
  });

  test("refuses an owner below lowest_uid with 403", async () => {
    const { site } = await ownedSite("");
    await using _ = site;
    if (!isRoot) return;
    chownSync(`${site.root}/home/own.fcgi`, 4, 60);
    expect((await site.ask("home/own.fcgi")).status).toBe(403);
    await waitUntil("the log says why", () =>
      site.fpm.log().includes("its owner, user 4, is below lowest_uid (5)"),
    );
  });
});

describe("what a process may use", () => {
  test.each(["", ...(isRoot ? ["www-data"] : [])])(
    "limits are set, soft and hard, of user %p",
    async (user) => {
      const limits = '{ nofile = 256, nproc = 4000, core = "0", as = "512M", cpu = "90s" }';
      await using site = await openSite({ app: `limits = ${limits}\n${user && `user = "${user}"`}` });
      const { limits: seen } = await statusOf(site);
      for (const [name, value] of [
        ["Max open files", 256],
        ["Max processes", 4000],
        ["Max core file size", 0],
        ["Max address space", 512 * 2 ** 20],
        ["Max cpu time", 90],
      ] as const)
        expect(seen).toMatch(new RegExp(`^${name}\\s+${value}\\s+${value}\\s`, "m"));
    },
  );

  test("a process that uses up its CPU time ends, and the next request gets another", async () => {
    const busy =
      '#!/usr/bin/perl\nuse FCGI;\nmy $r = FCGI::Request();\nwhile ($r->Accept() >= 0) { if ($ENV{QUERY_STRING}) { 1 while 1 } print "Content-Type: text/plain\\r\\n\\r\\n$$"; }\n';
    await using site = await startSite({
      files: { "busy.fcgi": busy },
      app: 'limits = { cpu = "1s" }',
    });
    expect((await site.ask("busy.fcgi?spin", { method: "POST" })).status).toBe(502);
    expect(await site.text("busy.fcgi")).toMatch(/^\d+$/);
    await waitUntil("the log tells", () => /SIGXCPU|SIGKILL/.test(site.fpm.log()));
  });

  test("nice is its priority", async () => {
    await using site = await startSite({ app: "nice = 7" });
    const { pid } = await statusOf(site);
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    expect(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]).toBe("7");
  });

  test("cgroup is where it is started, or a 502 that names the folder", async () => {
    await using site = await startSite({
      apps: '[[apps]]\nmatch = "/**/lost.fcgi"\ncgroup = "/sys/fs/cgroup/no-such-group"\n',
      lab: ["lab.fcgi", "lost.fcgi"],
    });
    expect((await site.ask("lost.fcgi")).status).toBe(502);
    await waitUntil("the log names it", () =>
      site.fpm.log().includes("there is no control group /sys/fs/cgroup/no-such-group"),
    );
    await waitUntil("it is gone", () => site.fpm.backends().length === 0);
    const group = makeGroup(`std-fpm-test-${process.pid}`);
    if (group === undefined) return;
    try {
      await using inGroup = await startSite({ app: `cgroup = "${group}"` });
      const { pid } = await statusOf(inGroup);
      expect(readFileSync(join(group, "cgroup.procs"), "utf8").split("\n")).toContain(String(pid));
    } finally {
      await waitUntil("the group is empty", () => readFileSync(join(group, "cgroup.procs"), "utf8") === "");
      rmdirSync(group);
    }
  });

  test("cgroup is where a plain CGI program is born", async () => {
    const group = makeGroup(`std-fpm-test-cgi-${process.pid}`);
    const files = {
      "group.cgi":
        "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\ncat /proc/self/cgroup\necho \"name $HTTP_X_NAME\"\n",
    };
    const app = 'protocol = "cgi"\nextensions = [".cgi"]';
    if (group === undefined) {
      await using site = await startSite({ app: `${app}\ncgroup = "/sys/fs/cgroup/no-such-group"`, files });
      expect((await site.ask("group.cgi")).status).toBe(502);
      return;
    }
    try {
      await using site = await startSite({ app: `${app}\ncgroup = "${group}"`, files });
      const busy = [1, 2].map(() => Bun.spawn(["sh", "-c", "while :; do :; done"]));
      try {
        // A machine that is busy gives a program no head start.
        const texts = await Promise.all(Array.from({ length: 60 }, () => site.text("group.cgi")));
        for (const text of texts) expect(text).toContain(`/${basename(group)}\n`);
      } finally {
        for (const each of busy) each.kill("SIGKILL");
      }
      using client = await connectFcgi(site.fpm.socket);
      // Not text: it is born there, too, where the C library can do that; else nothing of it begins.
      const params = { HTTP_X_NAME: "caf\xe9" };
      const { stdout } = await client.request(`${site.root}/group.cgi`, { params });
      if (canSpawnIntoGroup(group)) {
        expect(stdout).toContain(`/${basename(group)}\n`);
        expect(stdout).toEndWith("name caf\xe9\n");
      } else {
        expect(stdout).toStartWith("Status: 400");
        await logged(site.fpm, "code=ENVIRONMENT_NOT_TEXT");
        // That is no failed start of the program.
        expect(await site.text("group.cgi")).toContain(`/${basename(group)}\n`);
      }
    } finally {
      await waitUntil("the group is empty", () => readFileSync(join(group, "cgroup.procs"), "utf8") === "");
      rmdirSync(group);
    }
  });

  test("wrapper is put in front of the program, env_pass passes on what is named", async () => {
    await using site = await startSite({
      app: 'wrapper = ["/usr/bin/env", "WRAPPED=yes"]\nenv_pass = ["TZ", "NOT_SET"]',
      env: { TZ: "Europe/Vienna", SECRET: "x" },
    });
    const environment = await site.text("lab.fcgi?op=env");
    expect(environment).toContain("WRAPPED=yes");
    expect(environment).toContain("TZ=Europe/Vienna");
    expect(environment).not.toContain("SECRET");
    expect(environment).not.toContain("NOT_SET");
  });

  test("env names libraries for the program, and for nobody who starts it", async () => {
    using seen = makeTempDir();
    chmodSync(seen.path, 0o777);
    const programEnv = { LD_DEBUG: "files", LD_DEBUG_OUTPUT: seen.at("of") };
    await using site = await openSite({ app: isRoot ? 'user = "www-data"' : "", programEnv });
    site.put("a=b.fcgi", { copyOf: "dist/test-programs/lab" });
    for (const program of ["lab.fcgi", "a=b.fcgi"]) {
      expect(await site.text(`${program}?op=env`)).toContain(`LD_DEBUG_OUTPUT=${seen.at("of")}`);
    }
    // The loader writes one for each process that it loads something for, as the process's user.
    const owners = readdirSync(seen.path).map((file) => statSync(seen.at(file)).uid);
    const user = isRoot ? 33 : process.geteuid?.();
    expect(owners).toEqual([user, user] as number[]);
  });

  test("cwd is entered as the user: what others have in closed folders stays theirs", async () => {
    using others = makeTempDir();
    chmodSync(others.path, 0o700);
    await using site = await openSite({ app: `user = "www-data"\ncwd = "${others.path}"` });
    expect((await site.ask("lab.fcgi")).status).toBe(502);
    await waitUntil("the log says why", () =>
      site.fpm.log().includes(`its working folder ${others.path} may not be entered`),
    );
    edit(site.fpm, `cwd = "${others.path}"`, 'cwd = "/usr"');
    process.kill(site.fpm.pid, "SIGHUP");
    await logged(site.fpm, "configuration reloaded");
    expect(await site.text("lab.fcgi?op=env")).toContain("cwd=/usr\n");
  });

  test("cwd is where it works", async () => {
    await using site = await startSite({ app: 'cwd = "/usr"' });
    expect(await site.text("lab.fcgi?op=env")).toContain("cwd=/usr\n");
  });
});

/** A control group of our own, version 2 or 1; undefined where the system lets nobody make one. */
function makeGroup(name: string): string | undefined {
  for (const parent of ["/sys/fs/cgroup", "/sys/fs/cgroup/cpu"]) {
    const group = join(parent, name);
    try {
      mkdirSync(group);
      readFileSync(join(group, "cgroup.procs"));
      return group;
    } catch {
      // Not a control group's file system, or a read-only one.
      try {
        rmdirSync(group);
      } catch {}
    }
  }
  return undefined;
}
