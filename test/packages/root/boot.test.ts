import { afterAll, beforeAll, expect, test } from "bun:test";
import { appendFileSync, chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { waitUntil } from "../../support/wait-until.ts";
import { packageFile } from "../package-file.ts";
import { type BootedRoot, bootDebian, copyInto } from "./booted-root.ts";

// The Debian package on a machine with a real systemd: what an administrator sees of installing, upgrading, rotating and removing it.

const PERL = "#!/usr/bin/perl\nuse FCGI;\nmy $request = FCGI::Request();\n";
const HELLO = `${PERL}print "Content-Type: text/plain\\r\\n\\r\\nhello" while $request->Accept() >= 0;\n`;
const SLOW = `${PERL}while ($request->Accept() >= 0) { sleep 12; print "Content-Type: text/plain\\r\\n\\r\\nslow"; }\n`;
const RIGHTS =
  "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\ngrep NoNewPrivs /proc/self/status\nsudo -n id -un 2>&1\n";
const SITE = `server { listen 127.0.0.1:80 default_server; root /srv/www;
  location ~ \\.fcgi$ { include fastcgi.conf; fastcgi_pass unix:/run/std-fpm/std-fpm.sock; }
  location /one/ { include fastcgi.conf; fastcgi_param SCRIPT_FILENAME /srv/www/hello.fcgi; fastcgi_pass unix:/run/std-fpm-one/std-fpm.sock; } }\n`;
const INSTANCE = `[server]\nlisten = "/run/std-fpm-one/std-fpm.sock"\nruntime_dir = "/run/std-fpm-one"\n
[access_log]\nfile = "/var/log/std-fpm/one.log"\n`;
/** Asks for a page ten times a second, and writes down each status. */
const POLL = (path: string, file: string, count: number) =>
  `for i in $(seq ${count}); do curl -s -o /dev/null -w '%{http_code}\\n' http://127.0.0.1${path} >>${file}; sleep 0.1; done`;

let root: BootedRoot;
const page = (path: string) => root.sh(`curl -s -w ' %{http_code}' http://127.0.0.1${path}`);
const isActive = (unit: string) => root.try(`systemctl is-active ${unit}`).out.trim();

beforeAll(async () => {
  root = await bootDebian(["nginx-light", "libfcgi-perl", "curl", "logrotate", "sudo", "iproute2"]);
  root.sh("ip link set lo up");
  mkdirSync(root.at("srv/www"), { recursive: true });
  for (const [name, text] of [
    ["hello.fcgi", HELLO],
    ["slow.fcgi", SLOW],
    ["rights.cgi", RIGHTS],
  ] as const) {
    writeFileSync(root.at("srv/www", name), text);
    chmodSync(root.at("srv/www", name), 0o755);
  }
  writeFileSync(root.at("etc/nginx/sites-available/default"), SITE);
  root.sh("systemctl restart nginx");
  copyInto(root, packageFile("deb"), "root/std-fpm.deb");
  root.sh("dpkg -i /root/std-fpm.deb");
}, 600_000);

afterAll(() => root[Symbol.asyncDispose]());

/** The package once more, as a later version with the same files. */
function laterVersion(version: string): string {
  root.sh(
    `rm -rf /root/later && dpkg-deb -R /root/std-fpm.deb /root/later && sed -i 's/^Version: .*/Version: ${version}/' /root/later/DEBIAN/control && dpkg-deb -Znone -b /root/later /root/std-fpm-${version}.deb`,
  );
  return `/root/std-fpm-${version}.deb`;
}

test("a page is served after the installation, with the configuration as it comes", () => {
  expect(isActive("std-fpm")).toBe("active");
  expect(page("/hello.fcgi")).toBe("hello 200");
  const effective = (file: string) => root.sh(`std-fpm config --effective --config ${file} | grep -v '^#'`);
  writeFileSync(root.at("root/none.toml"), "# nothing\n");
  expect(effective("/etc/std-fpm/std-fpm.toml")).toContain('include = ""');
  expect(effective("/root/none.toml")).toBe(effective("/etc/std-fpm/std-fpm.toml"));
  const own = readFileSync(root.at("etc/std-fpm/std-fpm.toml"), "utf8");
  expect(own.split("\n").filter((line) => !/^(?:#.*|\[\w+\]|)$/.test(line))).toEqual([]);
});

test("sudo works in programs: the unit takes no privileges away", () => {
  writeFileSync(root.at("etc/sudoers.d/w"), "www-data ALL=(root) NOPASSWD: /usr/bin/id\n", { mode: 0o440 });
  writeFileSync(
    root.at("etc/std-fpm/conf.d/cgi.toml"),
    '[[apps]]\nmatch = "/srv/www/*.cgi"\nextensions = [".cgi"]\nprotocol = "cgi"\n',
  );
  root.sh("systemctl reload std-fpm");
  const answer = root.sh("std-fpm request /srv/www/rights.cgi 2>/dev/null");
  expect(answer).toContain("NoNewPrivs:\t0\n");
  expect(answer).toContain("\nroot\n");
});

test("an upgrade refuses nothing of the service and of an instance, while a request of 12 s is in flight", async () => {
  writeFileSync(root.at("etc/std-fpm/instances/one.toml"), INSTANCE);
  root.sh("systemctl start std-fpm@one");
  expect(page("/one/")).toBe("hello 200");
  const before = root.sh("systemctl show -P MainPID std-fpm std-fpm@one");
  const later = laterVersion("9.0.1");
  const slow = root.start("curl -s -w ' %{http_code}' http://127.0.0.1/slow.fcgi");
  await waitUntil("it is at work", () => root.sh("std-fpm status --full").includes("/slow.fcgi ("));
  const polls = [
    root.start(POLL("/hello.fcgi", "/root/poll-service", 150)),
    root.start(POLL("/one/", "/root/poll-instance", 150)),
  ];
  root.sh(`dpkg -i ${later}`);
  for (const poll of polls) await poll.exited;
  for (const name of ["service", "instance"]) {
    const statuses = readFileSync(root.at(`root/poll-${name}`), "utf8")
      .trim()
      .split("\n");
    expect([name, statuses.length, [...new Set(statuses)]]).toEqual([name, 150, ["200"]]);
  }
  expect(await new Response(slow.stdout).text()).toBe("slow 200");
  const after = root.sh("systemctl show -P MainPID std-fpm std-fpm@one");
  for (const pid of before.trim().split(/\s+/)) expect(after.split(/\s+/)).not.toContain(pid);
  expect([isActive("std-fpm"), isActive("std-fpm@one")]).toEqual(["active", "active"]);
}, 120_000);

test("a stop after a hand-over lets what is in flight finish", async () => {
  const slow = root.start("curl -s -w ' %{http_code}' http://127.0.0.1/slow.fcgi");
  await waitUntil("it is at work", () => root.sh("std-fpm status --full").includes("/slow.fcgi ("));
  root.sh("systemctl stop std-fpm");
  expect(await new Response(slow.stdout).text()).toBe("slow 200");
  expect(isActive("std-fpm")).toBe("inactive");
  root.sh("systemctl start std-fpm");
}, 60_000);

test("a socket of systemd's stays up over an upgrade, and starts the service", () => {
  root.sh("systemctl stop std-fpm && systemctl enable --now std-fpm.socket");
  expect(page("/hello.fcgi")).toBe("hello 200");
  expect(isActive("std-fpm")).toBe("active");
  root.sh(`dpkg -i ${laterVersion("9.0.2")}`);
  expect([isActive("std-fpm.socket"), isActive("std-fpm"), page("/hello.fcgi")]).toEqual([
    "active",
    "active",
    "hello 200",
  ]);
}, 60_000);

test("logrotate reaches instances, asks and does not signal, and adm may read", async () => {
  const log = "/var/log/std-fpm/one.log";
  page("/one/");
  await waitUntil("a line is there", () => root.try(`test -s ${log}`).status === 0);
  expect(root.sh(`stat -c '%U %G %a' ${log}`)).toBe("www-data adm 640\n");
  for (let turn = 0; turn < 2; turn++) {
    page("/one/");
    await waitUntil("a line is there", () => root.try(`test -s ${log}`).status === 0);
    root.sh("logrotate -f /etc/logrotate.d/std-fpm");
  }
  page("/one/");
  await waitUntil("the new file has it", () => root.try(`test -s ${log}`).status === 0);
  const pid = root.sh("systemctl show -P MainPID std-fpm@one").trim();
  expect(root.sh(`ls -l /proc/${pid}/fd`)).not.toContain("(deleted)");
  expect(root.sh("runuser -u www-data -- ls /var/log/std-fpm")).toContain("one.log.1");
}, 60_000);

test("a mistake in the configuration is tried again, and over as soon as it is mended", async () => {
  const file = root.at("etc/std-fpm/instances/one.toml");
  root.sh("systemctl stop std-fpm@one");
  appendFileSync(file, "nonsense = 1\n");
  expect(root.try("systemctl start std-fpm@one").status).not.toBe(0);
  expect(isActive("std-fpm@one")).toBe("activating");
  writeFileSync(file, INSTANCE);
  await waitUntil("it has started by itself", () => isActive("std-fpm@one") === "active", 30_000);
}, 60_000);

test("removed, instances and socket end, too; purged, nothing is left", () => {
  root.sh("dpkg -r std-fpm");
  for (const unit of ["std-fpm", "std-fpm@one", "std-fpm.socket"])
    expect([unit, isActive(unit)]).toEqual([unit, "inactive"]);
  expect(root.try("ls -l /proc/*/exe 2>/dev/null | grep std-fpm").out).toBe("");
  root.sh("rm /etc/std-fpm/instances/one.toml /etc/std-fpm/conf.d/cgi.toml && dpkg -P std-fpm");
  expect(root.try("ls -d /etc/std-fpm /var/log/std-fpm /run/std-fpm /usr/lib/std-fpm").out).not.toMatch(
    /^\//m,
  );
}, 60_000);
