import { expect } from "bun:test";
import { copyFileSync, cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { patternBytes } from "../support/pattern.ts";
import { isRoot } from "../support/server-process.ts";
import type { TempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";
import type { Recipe, RecipeServer, RecipeSite } from "./recipe-site.ts";

const MIB = 1024 * 1024;
const PNG = "\x89PNG";

/** A recipe, and that it works. */
export interface TestedRecipe extends Recipe {
  /** The package of Debian that it is about. */
  readonly software: string;
  check(site: RecipeSite): Promise<void>;
}

/** All of docs/recipes.md, in its order. */
export const RECIPES: readonly TestedRecipe[] = [
  { name: "git", software: "git", prepare: prepareGit, check: checkGit },
  { name: "cgit", software: "cgit", prepare: prepareCgit, check: checkCgit },
  { name: "php", software: "adminer", prepare: () => [], check: checkPhp },
  { name: "munin", software: "munin", prepare: prepareMunin, check: checkMunin },
  { name: "wsgi", software: "python3-radicale", prepare: prepareWsgi, check: checkWsgi },
  { name: "psgi", software: "libplack-perl", prepare: preparePsgi, check: checkPsgi },
  { name: "mapserver", software: "cgi-mapserver", prepare: prepareMapserver, check: checkMapserver },
  { name: "go", software: "golang-go", prepare: prepareGo, check: checkGo },
];

/** The rows of their table of compatibility. */
export const ROWS: Readonly<Record<RecipeServer, string>> = {
  nginx: "behind nginx",
  apache: "behind Apache",
};

/** The file that stands for a recipe in that table. */
export function exampleOf(name: string): string {
  return `recipes/${name}.toml`;
}

function git(cwd: string, ...words: string[]) {
  const identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "safe.directory=*"];
  const { exitCode, stdout, stderr } = Bun.spawnSync(["git", ...identity, ...words], {
    cwd,
    env: { PATH: "/usr/bin:/bin", HOME: cwd, GIT_TERMINAL_PROMPT: "0", GIT_CONFIG_NOSYSTEM: "1" },
  });
  return { exitCode, out: stdout.toString(), err: stderr.toString() };
}

function run(words: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync([...words]);
  if (exitCode !== 0) throw new Error(`${words.join(" ")}: ${stderr}`);
}

function makeRepository(dir: TempDir): string {
  const folder = dir.at("git");
  mkdirSync(folder);
  git(folder, "init", "-q", "--bare", "-b", "main", "r.git");
  git(`${folder}/r.git`, "config", "http.receivepack", "true");
  git(folder, "clone", "-q", "r.git", "seed");
  writeFileSync(`${folder}/seed/a.txt`, "first");
  git(`${folder}/seed`, "add", ".");
  git(`${folder}/seed`, "commit", "-q", "-m", "the first commit");
  git(`${folder}/seed`, "push", "-q", "origin", "HEAD:main");
  return folder;
}

function prepareGit(dir: TempDir) {
  return [["/srv/git", makeRepository(dir)]] as const;
}

async function checkGit({ dir, origin }: RecipeSite): Promise<void> {
  const url = `${origin}/git/r.git`;
  expect(git(dir.path, "clone", "-q", url, "copy")).toMatchObject({ exitCode: 0 });
  const copy = dir.at("copy");
  expect(await Bun.file(`${copy}/a.txt`).text()).toBe("first");
  const big = Buffer.concat(
    Array.from({ length: 192 }, () => crypto.getRandomValues(new Uint8Array(65_536))),
  );
  writeFileSync(`${copy}/big`, big);
  git(copy, "add", ".");
  git(copy, "commit", "-q", "-m", "12 MiB");
  expect(git(copy, "push", "-q", "origin", "HEAD:main")).toMatchObject({ exitCode: 0 });
  expect(git(dir.at("git/r.git"), "cat-file", "-s", "main:big").out).toBe(`${12 * MIB}\n`);
  // One that the repository does not want.
  const hook = dir.at("git/r.git/hooks/pre-receive");
  writeFileSync(hook, "#!/bin/sh\necho not today >&2\nexit 1\n", { mode: 0o755 });
  git(copy, "commit", "-q", "--allow-empty", "-m", "refused");
  const refused = git(copy, "push", "origin", "HEAD:main");
  expect([refused.exitCode, refused.err]).toEqual([1, expect.stringContaining("not today")]);
}

function prepareCgit(dir: TempDir) {
  const folder = makeRepository(dir);
  const config = dir.at("cgitrc");
  writeFileSync(
    config,
    `cache-size=0\nrepo.url=r\nrepo.path=${folder}/r.git\nrepo.desc=a repository of the test\n`,
  );
  return [["/etc/cgitrc", config]] as const;
}

async function checkCgit({ ask }: RecipeSite): Promise<void> {
  expect((await ask("/cgit/")).text()).toContain("a repository of the test");
  const log = await ask("/cgit/r/log/");
  expect([log.status, log.text()]).toEqual([200, expect.stringContaining("the first commit")]);
  expect((await ask("/cgit/r/plain/a.txt")).text()).toBe("first");
}

async function checkPhp({ ask, fpm }: RecipeSite): Promise<void> {
  const page = await ask("/adminer/index.php");
  expect([page.status, page.text()]).toEqual([200, expect.stringContaining("Adminer")]);
  expect(page.headers.getSetCookie().length).toBeGreaterThan(0);
  const body = new TextEncoder().encode("auth%5Bdriver%5D=sqlite&auth%5Bdb%5D=none");
  const headers = { "Content-Type": "application/x-www-form-urlencoded" };
  expect((await ask("/adminer/index.php", { body, headers })).status).toBeOneOf([200, 302, 403]);
  // One process and its eight children.
  await waitUntil("all have begun", () => fpm.backends().length === 9);
}

/** A node of munin with one plugin. */
function startNode(): Bun.TCPSocketListener {
  const answers: Record<string, string> = {
    cap: "cap multigraph dirtyconfig\n",
    list: "load\n",
    config: "graph_title Load average\ngraph_category system\nload.label load\n.\n",
    fetch: "load.value 0.42\n.\n",
  };
  return Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket) => void socket.write("# munin node at host.example.org\n"),
      data(socket, chunk) {
        for (const line of chunk.toString().trim().split("\n")) {
          const [word = ""] = line.split(" ");
          if (word === "quit") socket.end();
          else socket.write(answers[word] ?? ".\n");
        }
      },
    },
  });
}

/** What munin's cron job makes of a node. Only root can become munin's user. */
async function prepareMunin(dir: TempDir) {
  const folder = dir.at("munin");
  const parts = ["db", "html", "log", "run"];
  for (const name of parts) mkdirSync(`${folder}/${name}`, { recursive: true });
  const config = `${folder}/munin.conf`;
  const node = startNode();
  const lines = [
    ...parts.map((name) => `${name}dir ${folder}/${name}`),
    "tmpldir /etc/munin/templates",
    "staticdir /etc/munin/static",
    `cgitmpdir ${folder}/run`,
    "graph_strategy cgi",
    "html_strategy cgi",
    `[host.example.org]\n address 127.0.0.1\n port ${node.port}`,
  ];
  writeFileSync(config, `${lines.join("\n")}\n`);
  if (isRoot()) run(["chown", "-R", "munin:munin", folder]);
  const become = isRoot() ? ["setpriv", "--reuid=munin", "--regid=munin", "--clear-groups"] : [];
  for (const part of ["update", "limits", "html"]) {
    const words = [...become, "perl", `/usr/share/munin/munin-${part}`, "--config", config];
    await Bun.spawn(words, { stdio: ["ignore", "ignore", "ignore"] }).exited;
  }
  node.stop(true);
  return [
    ...(isRoot() ? [] : [['user = "munin"\n', ""] as const]),
    ['extensions = [""]', `extensions = [""]\nenv = { MUNIN_CONFIG = "${config}" }`],
    ["/etc/munin/munin.conf", config],
  ] as const;
}

async function checkMunin({ ask }: RecipeSite): Promise<void> {
  const page = await ask("/munin/index.html");
  expect([page.status, page.text()]).toEqual([200, expect.stringContaining("host.example.org")]);
  const graph = await ask("/munin-cgi/munin-cgi-graph/example.org/host.example.org/load-day.png");
  expect([graph.status, graph.headers.get("content-type")]).toEqual([200, "image/png"]);
  expect(Buffer.from(graph.body).toString("latin1")).toStartWith(PNG);
}

function prepareWsgi(dir: TempDir) {
  const folder = dir.at("radicale");
  mkdirSync(folder);
  copyFileSync("examples/recipes/serve.py", `${folder}/serve.py`);
  copyFileSync("examples/python/fcgi.py", `${folder}/fcgi.py`);
  const storage = `[storage]\nfilesystem_folder = ${folder}/collections\n`;
  writeFileSync(`${folder}/config`, `[auth]\ntype = none\n[rights]\ntype = authenticated\n${storage}`);
  return [
    ["/srv/radicale", folder],
    ["/srv/www", dir.at("www")],
  ] as const;
}

async function checkWsgi({ ask }: RecipeSite): Promise<void> {
  const headers = { Authorization: `Basic ${btoa("ada:any")}` };
  const made = await ask("/calendar/ada/cal/", { method: "MKCALENDAR", headers });
  expect(made.status).toBe(201);
  const event =
    "BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260101T100000Z\r\nSUMMARY:tea\r\nEND:VEVENT";
  const body = new TextEncoder().encode(
    `BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:test\r\n${event}\r\nEND:VCALENDAR\r\n`,
  );
  const put = await ask("/calendar/ada/cal/1.ics", {
    method: "PUT",
    body,
    headers: { ...headers, "Content-Type": "text/calendar" },
  });
  expect(put.status).toBe(201);
  const got = await ask("/calendar/ada/cal/1.ics", { headers });
  expect([got.status, got.text()]).toEqual([200, expect.stringContaining("SUMMARY:tea")]);
  expect((await ask("/calendar/ada/cal/", { method: "PROPFIND", headers })).text()).toContain(
    "<href>/calendar/ada/cal/</href>",
  );
}

function preparePsgi(dir: TempDir) {
  for (const release of ["1", "2"]) {
    mkdirSync(dir.at(`app/releases/${release}/lib`), { recursive: true });
    copyFileSync("examples/recipes/app.psgi", dir.at(`app/releases/${release}/app.psgi`));
    copyFileSync("examples/recipes/Answer.pm", dir.at(`app/releases/${release}/lib/Answer.pm`));
  }
  symlinkSync("releases/1", dir.at("app/current"));
  return [
    ["/srv/app", dir.at("app")],
    ["/srv/www", dir.at("www")],
  ] as const;
}

async function checkPsgi({ ask, dir, fpm }: RecipeSite): Promise<void> {
  expect((await ask("/app/orders/7?x=1")).text()).toBe("GET /app /orders/7\n");
  const [before] = fpm.backends();
  run(["ln", "-sfn", "releases/2", dir.at("app/current")]);
  await waitUntil("the new release serves", async () => {
    expect((await ask("/app/")).text()).toBe("GET /app /\n");
    return !fpm.backends().includes(before as number);
  });
}

function prepareMapserver(dir: TempDir) {
  const folder = dir.at("maps");
  mkdirSync(folder);
  const env = `ENV\n MS_MAPFILE "${folder}/site.map"\n MS_MAP_NO_PATH "1"\nEND`;
  writeFileSync(`${folder}/mapserver.conf`, `CONFIG\n${env}\nEND\n`);
  const layer = `LAYER NAME "l" TYPE POLYGON STATUS DEFAULT
  FEATURE POINTS 1 1 9 1 9 9 1 1 END END
  CLASS STYLE COLOR 200 0 0 END END
END`;
  writeFileSync(
    `${folder}/site.map`,
    `MAP\nNAME "test"\nSIZE 40 30\nEXTENT 0 0 10 10\nIMAGETYPE png\nIMAGECOLOR 10 200 30\n${layer}\nEND\n`,
  );
  return [["/srv/maps", folder]] as const;
}

async function checkMapserver({ ask, fpm }: RecipeSite): Promise<void> {
  const processes = new Set<number>();
  for (let i = 0; i < 3; i++) {
    const map = await ask("/maps?mode=map");
    expect([map.status, map.headers.get("content-type")]).toEqual([200, "image/png"]);
    expect(Buffer.from(map.body).toString("latin1")).toStartWith(PNG);
    for (const pid of fpm.backends()) processes.add(pid);
  }
  expect(processes.size).toBe(1);
}

function prepareGo(dir: TempDir) {
  mkdirSync(dir.at("app"));
  cpSync("examples/go/env.fcgi", dir.at("app/server"));
  return [["/srv/app", dir.at("app")]] as const;
}

async function checkGo({ ask, fpm }: RecipeSite): Promise<void> {
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(`/any/path/${i}?q=1`)));
  for (const [i, answer] of answers.entries()) {
    expect([answer.status, answer.text()]).toEqual([
      200,
      expect.stringContaining(`GET /any/path/${i}?q=1\n`),
    ]);
  }
  const body = patternBytes(MIB);
  expect((await ask("/upload", { body })).status).toBe(200);
  expect(fpm.backends().length).toBeLessThanOrEqual(2);
}
