import { afterAll, beforeAll, expect, test } from "bun:test";
import { appendFileSync, copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { waitUntil } from "../../support/wait-until.ts";
import { packageFile } from "../package-file.ts";
import { type DebianRoot, makeDebianRoot } from "./debian-root.ts";

// The life of the Debian package on a machine that has nothing but Debian, with the commands and files of the README.

let root: DebianRoot;
let before: string[];
const readme = readFileSync(resolve("README.md"), "utf8");
const port = 20_000 + (process.pid % 10_000);

beforeAll(() => {
  root = makeDebianRoot(["nginx-light", "libfcgi-perl", "curl"]);
  before = root.files();
}, 300_000);

afterAll(() => root[Symbol.dispose]());

/** A block of the README in one language, that holds a text. */
function block(language: string, holding: string): string {
  const blocks = [...readme.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "gs"))].map(
    (match) => match[1] ?? "",
  );
  return blocks.find((each) => each.includes(holding)) ?? "";
}

/** The setting of a unit. */
function unit(key: string): string {
  const text = readFileSync(root.at("lib/systemd/system/std-fpm.service"), "utf8");
  return new RegExp(`^${key}=(.*)$`, "m").exec(text)?.[1] ?? "";
}

/** Starts the daemon as systemd would: its user, its runtime folder, its command, an environment with nothing in it. */
async function startDaemon() {
  const [user, folder] = [unit("User"), `/run/${unit("RuntimeDirectory")}`];
  root.run("install", "-d", "-o", user, "-g", unit("Group"), "-m", unit("RuntimeDirectoryMode"), folder);
  const daemon = root.start({ user: `${user}:${unit("Group")}` }, ...unit("ExecStart").split(" "));
  await waitUntil("it listens", () => readdirSync(root.at(folder)).includes("std-fpm.sock"));
  return daemon;
}

async function page(): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/hello.fcgi`);
  return `${answer.status} ${(await answer.text()).trim()}`;
}

function install(file: string): void {
  copyFileSync(file, root.at("tmp/std-fpm.deb"));
  root.run("apt-get", "install", "-y", "--no-install-recommends", "/tmp/std-fpm.deb");
}

/** The package once more, as a later version with another default configuration. */
function laterVersion(deb: string): string {
  const folder = resolve("dist/packages/later");
  const sh = (...command: string[]) => {
    const { exitCode, stderr } = Bun.spawnSync(command);
    if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
  };
  sh("rm", "-rf", folder);
  sh("dpkg-deb", "-R", deb, folder);
  sh("sed", "-i", "s/^Version: .*/Version: 9.9.9/", `${folder}/DEBIAN/control`);
  appendFileSync(`${folder}/etc/std-fpm/std-fpm.toml`, "# of the later version\n");
  sh("dpkg-deb", "-Znone", "-b", folder, `${folder}.deb`);
  sh("rm", "-rf", folder);
  return `${folder}.deb`;
}

test("from nothing to a page, an upgrade, removal and purge", async () => {
  const deb = packageFile("deb");
  install(deb);
  expect(root.run("runuser", "-u", "www-data", "--", "std-fpm", "check")).toBe("ok\n");

  // The program and the web server's configuration as the README has them.
  mkdirSync(root.at("srv/www"), { recursive: true });
  writeFileSync(root.at("srv/www/hello.fcgi"), block("perl", "Hello"), { mode: 0o755 });
  writeFileSync(
    root.at("etc/nginx/sites-available/default"),
    `server { listen 127.0.0.1:${port}; root /srv/www; ${block("nginx", "std-fpm.sock")} }\n`,
  );
  const first = await startDaemon();
  const nginx = root.start({}, "nginx", "-g", "daemon off;");
  try {
    await waitUntil("nginx answers", async () => (await page().catch(() => "")) !== "");
    expect(await page()).toBe("200 Hello, 127.0.0.1");
    first.kill("SIGTERM");
    expect(await first.exited).toBe(0);

    // An upgrade keeps what the administrator wrote.
    appendFileSync(root.at("etc/std-fpm/std-fpm.toml"), "\n# my own line\n");
    copyFileSync(laterVersion(deb), root.at("tmp/later.deb"));
    root.run("dpkg", "--force-confold", "-i", "/tmp/later.deb");
    expect(readFileSync(root.at("etc/std-fpm/std-fpm.toml"), "utf8")).toContain("# my own line");
    const second = await startDaemon();
    expect(await page()).toBe("200 Hello, 127.0.0.1");
    second.kill("SIGTERM");
    expect(await second.exited).toBe(0);
  } finally {
    nginx.kill("SIGTERM");
    await nginx.exited;
  }

  // Removed, the configuration stays; purged, nothing does.
  root.run("apt-get", "remove", "-y", "std-fpm");
  expect(root.files()).toContain("etc/std-fpm/std-fpm.toml");
  expect(root.files()).not.toContain("usr/bin/std-fpm");
  root.run("apt-get", "purge", "-y", "std-fpm");
  const mine = /^(srv|run\/nginx|var\/lib\/nginx|usr\/sbin\/policy-rc\.d$)/;
  const left = root.files().filter((file) => !before.includes(file) && !mine.test(file));
  expect(left).toEqual([]);
}, 300_000);
