import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { isRoot } from "../support/server-process.ts";
import { type Site, startSite } from "../support/site.ts";
import { EXECUTABLE, startStdFpm } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const SET = `<?php
foreach (["memory_limit" => "99M", "date.timezone" => "UTC", "post_max_size" => "4M"] as $name => $value) {
  $before = ini_get($name);
  ini_set($name, $value);
  echo "$name: $before, ", ini_get($name), "\\n";
}
`;
const JOB = `<?php
$null = ["file", "/dev/null", "r+"];
proc_open(["setsid", "sh", "-c", "sleep 0.5; echo done >" . __DIR__ . "/job.txt"], [$null, $null, $null], $pipes);
echo "started";
`;
/** Notes how far it came, and how its connection was then. */
const ABORTED = `<?php
ignore_user_abort($_GET["ignore"] === "1");
register_shutdown_function(fn() => file_put_contents($_GET["to"], "end", FILE_APPEND));
for ($i = 0; $i < 15; $i++) {
  echo str_repeat("x", 5000);
  flush();
  usleep(40000);
  file_put_contents($_GET["to"], "$i " . connection_status() . "\\n", FILE_APPEND);
}
`;
const CRASH = `<?php file_put_contents(__DIR__ . "/crashes", "x", FILE_APPEND); posix_kill(getmypid(), 9);`;

let site: Site;

beforeAll(async () => {
  site = await startSite({
    lab: [],
    apps: `[[apps]]
match = "$ROOT/**/*.php"
extensions = [".php"]
command = ["/usr/bin/php-cgi", "-c", "$ROOT/php.ini", "-d", "memory_limit=77M", "-d", "register_argc_argv=1"]
children = 2
max_processes = 1
`,
  });
  const ini = `date.timezone = Europe/Paris\npost_max_size = 8M\n[PATH=${site.root}/admin]\npost_max_size = 2M\n`;
  site.put("php.ini", ini, 0o644);
  for (const folder of ["own", "admin"]) {
    site.put(`${folder}/set.php`, SET, 0o644);
    site.put(`${folder}/.user.ini`, "memory_limit = 55M\npost_max_size = 9M\n", 0o644);
  }
  site.put("set.php", SET, 0o644);
  site.put("job.php", JOB, 0o644);
  site.put("aborted.php", ABORTED, 0o644);
  site.put("crash.php", CRASH, 0o644);
  const sapi =
    '<?php echo json_encode([php_sapi_name(), getallheaders()["X-Test"] ?? "", $_SERVER["argv"], function_exists("fastcgi_finish_request")]);';
  site.put("sapi.php", sapi, 0o644);
});

afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

describe("as docs/from/php-fpm.md says", () => {
  test("settings of PHP may be changed, but for those of a [PATH=] section", async () => {
    expect(await site.text("set.php")).toBe(
      "memory_limit: 77M, 99M\ndate.timezone: Europe/Paris, UTC\npost_max_size: 8M, 8M\n",
    );
    expect(await site.text("own/set.php")).toContain("memory_limit: 55M, 99M\n");
    expect(await site.text("own/set.php")).toContain("post_max_size: 9M");
    expect(await site.text("admin/set.php")).toContain("post_max_size: 2M, 2M\n");
  });

  test("php-cgi has getallheaders and $argv, and no fastcgi_finish_request", async () => {
    const answer = await site.ask("sapi.php?a+b", { headers: { "X-Test": "yes" } });
    expect(JSON.parse(answer.text())).toEqual(["cgi-fcgi", "yes", ["a", "b"], false]);
  });

  test("a job that a script starts with setsid lives on after the answer", async () => {
    expect(await site.text("job.php")).toBe("started");
    expect(existsSync(`${site.root}/job.txt`)).toBe(false);
    await waitUntil("it is done", () => existsSync(`${site.root}/job.txt`));
  });

  test.each([
    ["goes on when it ignores that", "1", true],
    ["ends otherwise", "0", false],
  ])("a script whose client has left notices it, and %s", async (_, ignore, comesToItsEnd) => {
    const to = `${site.folder}/aborted-${ignore}`;
    await site.ask(`aborted.php?ignore=${ignore}&to=${to}`, { way: "unbuffered", leaveAfter: 1 });
    const steps = await waitUntil("it is over", () => {
      const text = existsSync(to) ? readFileSync(to, "utf8") : "";
      return text.endsWith("end") ? text.split("\n") : undefined;
    });
    expect(steps.includes("14 1")).toBe(comesToItsEnd);
    expect(steps.length < 16).toBe(!comesToItsEnd);
  });

  test("a script that dies is a 502: once for a POST, and for a GET after it was tried again", async () => {
    const crashes = () => readFileSync(`${site.root}/crashes`, "utf8").length;
    expect((await site.ask("crash.php", { body: new Uint8Array(1) })).status).toBe(502);
    expect(crashes()).toBe(1);
    expect((await site.ask("crash.php")).status).toBe(502);
    expect(crashes()).toBeGreaterThan(2);
    expect(await site.text("set.php")).toContain("memory_limit");
  });
});

/** A program, and the libraries that it is linked to. */
function putWithLibraries(program: string, jail: string): void {
  const { stdout } = Bun.spawnSync(["ldd", program]);
  const libraries = [...stdout.toString().matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path as string);
  for (const path of [program, ...libraries]) {
    mkdirSync(dirname(`${jail}${path}`), { recursive: true });
    copyFileSync(path, `${jail}${path}`);
  }
}

test("php-cgi with children serves from a jail", async () => {
  using dir = makeTempDir();
  const jail = dir.at("jail");
  putWithLibraries("/usr/bin/php-cgi", jail);
  mkdirSync(`${jail}/www/a`, { recursive: true });
  await Bun.write(
    `${jail}/www/a/page.php`,
    '<?php echo getcwd(), " ", implode(" ", array_diff(scandir("/"), [".", ".."]));',
  );
  await Bun.write(`${jail}/www/a/told.php`, "<?php echo json_encode(['__FILE__' => __FILE__] + $_SERVER);");
  await Bun.write(`${jail}/www/a/photo.jpg`, '<?php echo "executed";');
  const daemon = await startStdFpm({
    folder: dir.path,
    // Only root may: whoever is not becomes it in a namespace, where there is one user.
    command: isRoot() ? [EXECUTABLE] : ["unshare", "-r", EXECUTABLE],
    apps: `[[apps]]
match = "/www/**/*.php"
any_path = true
user = "root"
command = ["/usr/sbin/chroot", "--userspec=${isRoot() ? "33:33" : "0:0"}", "${jail}", "/usr/bin/php-cgi", "-d", "cgi.fix_pathinfo=0"]
children = 2
`,
  });
  {
    using client = await connectFcgi(daemon.socket);
    const { stdout } = await client.request("/www/a/page.php", { params: { REQUEST_METHOD: "GET" } });
    expect(stdout).toMatch(/\r\n\r\n\/www\/a lib (?:lib64 )?usr www$/);
  }
  {
    using client = await connectFcgi(daemon.socket);
    const photo = await client.request("/www/a/photo.jpg/x.php", { params: { REQUEST_METHOD: "GET" } });
    expect(photo.stdout).toStartWith("Status: 404");
  }
  // As nginx sends page.php/a/photo.jpg, and Apache what it has rewritten to that.
  const info = { PATH_INFO: "/a/photo.jpg", PATH_TRANSLATED: "/www/a/photo.jpg" };
  for (const more of [{}, { REDIRECT_URL: "/a/photo.jpg" }]) {
    using client = await connectFcgi(daemon.socket);
    const params = { REQUEST_METHOD: "GET", REDIRECT_STATUS: "200", ...info, ...more };
    const { stdout } = await client.request("/www/a/told.php", { params });
    expect(JSON.parse(stdout.split("\r\n\r\n")[1] ?? "")).toMatchObject({
      __FILE__: "/www/a/told.php",
      ...info,
      ...more,
    });
  }
  await daemon.stop();
});
