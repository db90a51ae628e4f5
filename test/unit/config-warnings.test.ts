import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { descriptorWarnings, limitWarnings } from "../../src/config/limit-warnings.ts";
import { loadConfig } from "../../src/config/load.ts";
import { samplesOf } from "../../src/config/match-samples.ts";
import { defaultTables } from "../../src/config/tables.ts";

let folder = "";
/** An executable of this name: PHP itself need not be there. */
let phpCgi = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "std-fpm-config-"));
  phpCgi = join(folder, "php-cgi");
  await writeFile(phpCgi, "", { mode: 0o755 });
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function warningsOf(text: string): Promise<readonly string[]> {
  const file = join(folder, "main.toml");
  await writeFile(file, `server.include = ""\n${text}`);
  return (await loadConfig({ file })).warnings;
}

test("folders that do not exist are named with their key", async () => {
  expect(
    await warningsOf(`app.roots = ["${folder}", "${folder}/none"]\napp.cwd = "${folder}/main.toml"`),
  ).toEqual([
    `app.roots[1]: there is no folder ${folder}/none`,
    `app.cwd: there is no folder ${folder}/main.toml`,
  ]);
});

test("an interpreter that is missing or not executable is named with its key", async () => {
  expect(await warningsOf(`[[apps]]\nmatch = "/bin/sh"\ncommand = ["/bin/sh"]`)).toEqual([]);
  expect(await warningsOf(`[[apps]]\nmatch = "/bin/sh"\ncommand = ["${folder}/main.toml"]`)).toEqual([
    `apps[0].command: there is no executable file ${folder}/main.toml`,
  ]);
  expect(await warningsOf(`app.command = ["${folder}"]\napp.extensions = [".x"]`)).toHaveLength(1);
  expect(await warningsOf(`slow_log.command = ["/none/py-spy"]\napp.wrapper = ["/none/ionice"]`)).toEqual([
    "slow_log.command: there is no executable file /none/py-spy",
    "app.wrapper: there is no executable file /none/ionice",
  ]);
});

test("a match under which every request fails is pointed out, with what to write", async () => {
  const match = async (pattern: string, more = "") =>
    (await warningsOf(`[app]\n${more}\n[[apps]]\nmatch = "${pattern}"`)).map((line) =>
      line.replaceAll(folder, "F"),
    );
  const php =
    'apps[0].match: every request is answered with 404: no file that it matches has one of the extensions .fcgi, .fpl; set extensions = [".php"] there';
  for (const pattern of ["/srv/**/*.php", "**/*.php", "/srv/*.p[h]p", "/srv/{a,b}/x.php"])
    expect(await match(pattern)).toEqual([php]);
  for (const pattern of [
    "/srv/**",
    "/srv/*.{php,fcgi}",
    "/srv/v1.2/*",
    "/srv/!(a).php",
    "/**/*.fpl",
    // A table that names one path as it is runs it whatever its name.
    `${folder}/php-cgi`,
    `${folder}/main.toml`,
  ])
    expect(await match(pattern)).toEqual([]);
  expect(await match("/srv/*.php", 'extensions = [".php"]')).toEqual([]);
  expect(await match("/srv/*.FCGI", "extensions_ignore_case = true")).toEqual([]);
  expect(await match("/srv/*/run.me", 'extensions = ["run.me"]')).toEqual([]);
  expect((await match("/srv/*.FCGI"))[0]).toEndWith('set extensions = [".FCGI"] there');
  expect((await match("/srv/*/xrun.me", 'extensions = ["run.me"]'))[0]).toEndWith(
    'extensions = [".me"] there',
  );
  await writeFile(join(folder, "main"), "");
  expect(await match(`${folder}/main`)).toEqual([]);
  expect(await match(folder)).toEqual(['apps[0].match: F is a folder; for the programs in it write "F/**"']);
  // An application's own folder, where the path need be no file.
  const anyPath = 'any_path = true\ncommand = ["/bin/sh"]';
  for (const role of ["responder", "authorizer"])
    expect(await warningsOf(`[[apps]]\nmatch = "${folder}"\nrole = "${role}"\n${anyPath}`)).toEqual([]);
  expect(await warningsOf(`[[apps]]\nmatch = "/srv/**/*.php"\n${anyPath}`)).toEqual([]);
  for (const pattern of ["/srv/www/*/", "/srv//*.fcgi", "/srv/../*.fcgi", "/srv/./**"])
    expect((await match(pattern))[0]).toStartWith("apps[0].match: it matches nothing");
  expect(await match("/elsewhere/**", `roots = ["${folder}"]`)).toEqual([
    "apps[0].match: every request is answered with 404: /elsewhere lies under none of the roots F",
  ]);
  for (const pattern of [`${folder}/**`, "/**", "**/*.fcgi"])
    expect(await match(pattern, `roots = ["${folder}"]`)).toEqual([]);
});

test("settings that do nothing are pointed out where they are written", async () => {
  const cgi = (key: string, name: string) =>
    `${name}.${key}: it means nothing with protocol = "cgi": each request is a process`;
  expect(await warningsOf('[app]\nprotocol = "cgi"\nmax_requests = 5\nmax_processes = 3')).toEqual([
    cgi("max_requests", "app"),
  ]);
  expect(
    await warningsOf(
      '[app]\nmin_processes = 2\n[[apps]]\nmatch = "/x/**"\nprotocol = "cgi"\nconcurrency = 4',
    ),
  ).toEqual([cgi("concurrency", "apps[0]")]);
  expect(await warningsOf('[[apps]]\nmatch = "/x/**"\nname = "x"')).toEqual([
    "apps[0].name: only the processes of a `command` are called by it; others by their path",
  ]);
});

test("max_memory above max_memory_hard is pointed out, and concurrency for what serves one at a time", async () => {
  const hard = "it is above max_memory_hard, at which a process is killed first";
  expect(await warningsOf('[app]\nmax_memory = "2M"\nmax_memory_hard = "1M"')).toEqual([
    `app.max_memory: ${hard}`,
  ]);
  expect(await warningsOf('[app]\nmax_memory = "1M"\nmax_memory_hard = "1M"')).toEqual([]);
  expect(
    await warningsOf('[app]\nmax_memory = "2M"\n[[apps]]\nmatch = "/x/**"\nmax_memory_hard = "1M"'),
  ).toEqual([`apps[0].max_memory: ${hard}`]);
  const script = join(folder, "one.fcgi");
  await writeFile(script, "#!/usr/bin/perl\nuse FCGI;\n");
  const one = (where: string) => `[[apps]]\n${where}\nconcurrency = 8`;
  expect((await warningsOf(one(`match = "${script}"`)))[0]).toStartWith(
    "apps[0].concurrency: a process of /usr/bin/perl serves one request after the other",
  );
  const php = `match = "/x/**/*.fcgi"\ncommand = ["${phpCgi}"]`;
  expect((await warningsOf(one(php)))[0]).toContain(`a process of ${phpCgi} serves one`);
  expect(await warningsOf(one('match = "/x/**"'))).toEqual([]);
});

test("a file that every user can write is pointed out", async () => {
  expect(await warningsOf("")).toEqual([]);
  await chmod(join(folder, "main.toml"), 0o666);
  expect((await warningsOf(""))[0]).toContain("every user of this machine can write it");
  await chmod(join(folder, "main.toml"), 0o644);
});

test("min_processes above max_processes is an error, also where a table makes it so", async () => {
  const failure = async (text: string) =>
    await warningsOf(text).then(
      () => "",
      (error: Error) => error.message.replace(join(folder, "main.toml"), ""),
    );
  expect(await failure("app.max_processes = 2\napp.min_processes = 2")).toBe("");
  expect(await failure("app.max_processes = 2\napp.min_processes = 3")).toBe(
    ":3: app.min_processes: 3 is more than max_processes = 2",
  );
  expect(await failure('app.min_processes = 3\n[[apps]]\nmatch = "/a"\nmax_processes = 2')).toBe(
    ":3: apps[0].min_processes: 3 is more than max_processes = 2",
  );
});

test("names of programs that are probably not meant are pointed out", async () => {
  expect(await warningsOf('app.extensions = [".fcgi", ".*", "php", "git-http-backend", ""]')).toEqual([
    'app.extensions[1]: ".*" is taken as it is written; for any name write ""',
    'app.extensions[2]: "php" is the whole name of a file; the ending is ".php"',
  ]);
  const every = 'with "" /bin/sh gets every file there, and may show what it holds';
  expect(
    await warningsOf('app.extensions = [""]\n[[apps]]\nmatch = "/bin/sh"\ncommand = ["/bin/sh"]'),
  ).toEqual([`apps[0].extensions: ${every}`]);
  expect(
    await warningsOf(
      'app.command = ["/bin/sh"]\napp.extensions = [".sh"]\n[[apps]]\nmatch = "/bin/sh"\nextensions = [""]',
    ),
  ).toEqual([`apps[0].extensions: ${every}`]);
  const shows =
    'runs or shows every file that it is asked for, and of "/up/photo.jpg/x.php" the photo: match names that end with ".php", and give it "-d", "cgi.fix_pathinfo=0"';
  const withPhp = (match: string, ...words: string[]) =>
    warningsOf(
      `[[apps]]\nmatch = ${JSON.stringify(match)}\nany_path = true\ncommand = ${JSON.stringify(words)}`,
    );
  const isTold = [`apps[0].any_path: ${phpCgi} ${shows}`];
  expect(await withPhp("/a/**", phpCgi, "-d", "cgi.fix_pathinfo=0")).toEqual(isTold);
  expect(await withPhp("/a/**/*.php", phpCgi)).toEqual(isTold);
  expect(await withPhp("/a/**/*.php", "/usr/sbin/chroot", "/jail", phpCgi)).toEqual(isTold);
  expect(await withPhp("/a/**/*.php", "/usr/sbin/chroot", "/", phpCgi, "-d", "cgi.fix_pathinfo=0")).toEqual(
    [],
  );
});

test("any_path without what it needs is an error", async () => {
  const failure = async (text: string) =>
    await warningsOf(text).then(
      () => "",
      (error: Error) => error.message.replace(join(folder, "main.toml"), ""),
    );
  const table = '[[apps]]\nmatch = "/a/**"\nany_path = true';
  expect(await failure(`${table}\ncommand = ["/bin/sh"]`)).toBe("");
  expect(await failure(`${table}\n[[apps]]\nmatch = "/**"\ncommand = ["/bin/sh"]`)).toBe("");
  expect(await failure(table)).toBe(":4: apps[0].any_path: is for a `command`, and there is none");
  expect(await failure("app.any_path = true")).toBe(
    ":2: app.any_path: is for a `command`, and there is none",
  );
  expect(await failure(`${table}\ncommand = ["/bin/sh"]\nprotocol = "cgi"`)).toBe(
    ":4: apps[0].any_path: a plain CGI program is started for a file; it needs one",
  );
  expect(await failure(`app.user = "owner"\n${table}\ncommand = ["/bin/sh"]`)).toBe(
    ':5: apps[0].any_path: there is no file whose owner `user = "owner"` could be',
  );
});

test("children of php-cgi are no concurrency that it cannot have, also in [app]", async () => {
  const app = `[app]\ncommand = ["${phpCgi}"]\nextensions = [".php"]`;
  expect(await warningsOf(`${app}\nchildren = 3`)).toEqual([]);
  expect((await warningsOf(`${app}\nconcurrency = 3`)).join()).toContain("app.concurrency: ");
});

test("children without a command is an error", async () => {
  const failure = async (text: string) =>
    await warningsOf(text).then(
      () => "",
      (error: Error) => error.message.replace(join(folder, "main.toml"), ""),
    );
  const table = '[[apps]]\nmatch = "/a/**"\nchildren = 4';
  expect(await failure(`${table}\ncommand = ["/bin/sh"]`)).toBe("");
  expect(await failure(table)).toBe(":4: apps[0].children: is for a `command`, and there is none");
  expect(await failure(`${table}\ncommand = ["/bin/sh"]\nprotocol = "cgi"`)).toBe(
    ":4: apps[0].children: a plain CGI program serves one request, and has none",
  );
  expect(await failure("app.children = 4")).toBe(":2: app.children: is for a `command`, and [app] has none");
});

test("a root into which every user can write is pointed out, also by the folder above it", async () => {
  const [root, inside] = [join(folder, "open"), join(folder, "open", "www")];
  await mkdir(inside, { recursive: true });
  await chmod(root, 0o777);
  const roots = `app.roots = ["${root}", "${inside}"]`;
  expect(await warningsOf(roots)).toEqual([
    `app.roots[0]: every user of this machine can write in ${root}, and so decide what std-fpm runs`,
    `app.roots[1]: every user of this machine can write in ${root} and exchange what is in it, and so decide what std-fpm runs`,
  ]);
  await chmod(root, 0o1777);
  // Where only the owner may rename, as in /tmp, what lies below is safe.
  expect(await warningsOf(roots)).toHaveLength(1);
  await chmod(root, 0o755);
  expect(await warningsOf(roots)).toEqual([]);
});

test("logs of root's in a folder that others may change are pointed out", async () => {
  if (process.geteuid?.() !== 0) return;
  const [shared, own] = [join(folder, "shared-logs"), join(folder, "own-logs")];
  for (const each of [shared, own]) await mkdir(each);
  await chown(shared, 33, 4);
  const logs = (of: string) => `[log]\nfile = "${of}/a.log"\n[access_log]\nfile = "${own}/b.log"\n[app]\n`;
  const asRoot = 'user = "www-data"';
  expect(await warningsOf(`${logs(shared)}${asRoot}`)).toEqual([
    `log.file: user 33 may change the folder ${shared}: run by root, std-fpm follows no link there; set a file in a folder that only root may change`,
  ]);
  expect(await warningsOf(`${logs(own)}${asRoot}`)).toEqual([]);
  // The packages' std-fpm is not root's, and neither is their folder of logs.
  expect(await warningsOf(logs(shared))).toEqual([]);
});

test("folders for the socket, the logs and the bodies that do not exist are named with their key", async () => {
  const none = `${folder}/none`;
  expect(
    await warningsOf(
      `server.listen = "${none}/x"\nserver.spool_dir = "${none}"\nlog.file = "${none}/a.log"\naccess_log.file = "${folder}"`,
    ),
  ).toEqual([
    `server.listen: there is no folder ${none} for the socket`,
    `server.spool_dir: there is no folder ${none}`,
    `log.file: there is no folder ${none}: nothing can be written`,
    `access_log.file: ${folder} is a folder`,
  ]);
  expect(await warningsOf(`server.runtime_dir = "${none}"\nserver.listen = "${none}/x"`)).toEqual([]);
});

test("users and groups that do not exist: a warning for programs, an error with its line for sockets", async () => {
  expect(await warningsOf('app.user = "no-such-user"\napp.group = "no-such-group"')).toEqual([
    'app.user: there is no user "no-such-user": programs will not start',
    'app.group: there is no group "no-such-group": programs will not start',
  ]);
  expect(await warningsOf('app.user = "owner"')).toEqual([]);
  for (const [key, what] of [
    ["listen_owner", "user"],
    ["listen_group", "group"],
  ] as const) {
    const failure = warningsOf(`server.${key} = "no-such-one"`);
    await expect(failure).rejects.toThrow(`main.toml:2: server.${key}: there is no ${what} "no-such-one"`);
  }
  await expect(warningsOf('server.allowed_users = ["root", "no-such-one"]')).rejects.toThrow("no-such-one");
});

test("limits above the hard ones are pointed out, at them they are not", () => {
  const hard = (most: number | undefined) => () => most;
  const table = { limits: { nofile: 4096, as: "1K" } };
  expect(limitWarnings(table, "app", hard(4095))).toEqual([
    "app.limits.nofile: 4096 is above the hard limit 4095, which only root may raise: programs will not start",
  ]);
  expect(limitWarnings(table, "app", hard(4096))).toEqual([]);
  expect(limitWarnings(table, "app", hard(undefined))).toEqual([]);
  const server = { ...defaultTables().server, max_processes: 100 };
  expect(descriptorWarnings(server, hard(599))).toEqual([
    "server.max_processes: 100 processes take 600 descriptors, and the hard limit is 599 (LimitNOFILE= of a unit, ulimit -Hn): fewer are started",
  ]);
  expect(descriptorWarnings(server, hard(600))).toEqual([]);
  expect(descriptorWarnings(defaultTables().server, hard(99))).toEqual([
    "server: few requests are served at once, and the hard limit is 99 (LimitNOFILE= of a unit, ulimit -Hn)",
  ]);
  const connections = { ...server, max_connections: 500 };
  expect(descriptorWarnings(connections, hard(1099))).toEqual([
    "server.max_connections: 500 connections and 100 processes take 1100 descriptors, and the hard limit is 1099 (LimitNOFILE= of a unit, ulimit -Hn): fewer are served at once",
  ]);
  expect(descriptorWarnings(connections, hard(1100))).toEqual([]);
  const alone = { ...server, max_processes: 0, max_connections: 500 };
  expect(descriptorWarnings(alone, hard(599))).toHaveLength(1);
  expect(descriptorWarnings(alone, hard(600))).toEqual([]);
});

test("two pages at one path are pointed out", async () => {
  expect(await warningsOf(`server.ping_path = "/a"\nserver.status_path = "/b"`)).toEqual([]);
  expect(await warningsOf(`server.ping_path = "/a"\nserver.status_path = "/a"`)).toEqual([
    "server.status_path: ping_path is the same, and is what answers",
  ]);
});

test("settings of the sockets that do nothing are pointed out", async () => {
  const [tcp, unix] = ['server.listen = "127.0.0.1:9000"\n', `server.listen = "${folder}/x.sock"\n`];
  const [clients, users] = ['server.allowed_clients = ["10.0.0.7"]', 'server.allowed_users = ["root"]'];
  expect((await warningsOf(unix + clients))[0]).toStartWith("server.allowed_clients: it is for addresses");
  expect((await warningsOf(tcp + users))[0]).toStartWith("server.allowed_users: it is for Unix sockets");
  expect([...(await warningsOf(tcp + clients)), ...(await warningsOf(unix + users))]).toEqual([]);
  expect(await warningsOf('server.status_path = "/status?full"')).toEqual([
    'server.status_path: SCRIPT_NAME ends before the "?" of a URL: write /status',
  ]);
});

test("a match with very many alternatives is not looked at, however they are written", () => {
  const startedAt = performance.now();
  expect(samplesOf(`/srv/${"{a,b}".repeat(6)}/x.php`)).toHaveLength(64);
  for (const many of ["{a,b}".repeat(20), "{a,b}".repeat(7), `{${"{a,b},".repeat(20)}c}`])
    expect(samplesOf(`/srv/${many}/x.php`)).toEqual([]);
  expect(samplesOf("/srv/{a,b{c,d}}/*.{p[h]p,pl}")).toEqual([
    "/srv/a/x.php",
    "/srv/a/x.pl",
    "/srv/bc/x.php",
    "/srv/bc/x.pl",
    "/srv/a/x.php",
    "/srv/a/x.pl",
    "/srv/bd/x.php",
    "/srv/bd/x.pl",
  ]);
  expect(performance.now() - startedAt).toBeLessThan(500);
});
