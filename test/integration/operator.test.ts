import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { command } from "../support/admin.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { handOver } from "../support/hand-over.ts";
import { isAlive } from "../support/processes.ts";
import { type Site, startSite } from "../support/site.ts";
import { answers, EXECUTABLE, logged, type StdFpm } from "../support/std-fpm.ts";
import { startClients } from "../support/steady-clients.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const NOTICED_MS = 4000;

async function cameBack(fpm: StdFpm, path: string): Promise<void> {
  await waitUntil(`${path} is there again`, () => existsSync(path), NOTICED_MS);
  await logged(fpm, ": made again");
}

function timesLogged(fpm: StdFpm, text: string): number {
  return fpm.log().split(text).length - 1;
}

function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}

/** Through a connection of its own. */
async function asked(site: Site, to = site.fpm.socket): Promise<string> {
  using connection = await connectFcgi(to);
  return (await connection.request(`${site.root}/lab.fcgi`)).stdout;
}

async function isReady(fpm: StdFpm): Promise<boolean> {
  return (await command(fpm, "status", "--ready")).status === 0;
}

describe("a file that somebody removes is made again, and told once", () => {
  test.each(["std-fpm.sock", "std-fpm.pid", "instance", "backends", "admin.sock"])("%s", async (name) => {
    await using site = await startSite({ server: 'listen_mode = "0640"', level: "info" });
    const { fpm } = site;
    await site.text("lab.fcgi");
    const path = `${fpm.runtimeDir}/${name}`;
    const before = { mode: modeOf(path), text: statSync(path).isFile() ? readFileSync(path, "latin1") : "" };
    rmSync(path, { recursive: true });
    await cameBack(fpm, path);
    expect(modeOf(path)).toBe(before.mode);
    if (before.text !== "") expect(readFileSync(path, "latin1")).toBe(before.text);
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
    await waitUntil("it is ready", () => isReady(fpm));
    expect(timesLogged(fpm, "was removed or replaced")).toBe(1);
  });

  test("all of the runtime folder, with the lock that keeps a second daemon out", async () => {
    await using site = await startSite({ lab: ["lab.fcgi", "other.fcgi"] });
    const { fpm } = site;
    await site.text("lab.fcgi");
    const inFlight = site.ask("lab.fcgi?op=sleep&ms=2500");
    await waitUntil("it is at work", () => fpm.backends().length > 0);
    await Bun.sleep(100);
    rmSync(fpm.runtimeDir, { recursive: true });
    await cameBack(fpm, fpm.socket);
    await waitUntil("all is made again", () => isReady(fpm));
    expect(readdirSync(fpm.runtimeDir).sort()).toEqual([
      "admin.sock",
      "backends",
      "instance",
      "std-fpm.pid",
      "std-fpm.sock",
    ]);
    expect([await site.text("lab.fcgi"), await site.text("other.fcgi")]).toEqual([
      expect.stringMatching(/^\d+$/),
      expect.stringMatching(/^\d+$/),
    ]);
    expect((await inFlight).status).toBe(200);
    const second = Bun.spawnSync([EXECUTABLE, "serve", "--config", fpm.configFile], { timeout: 10_000 });
    expect(second.stderr.toString()).toContain("already running");
    expect(await isReady(fpm)).toBe(true);
    await handOver(fpm);
    expect(await site.text("other.fcgi")).toMatch(/^\d+$/);
  });

  test("a new program can be started at once, before anybody has looked", async () => {
    using dir = makeTempDir();
    await using site = await startSite({ listen: dir.at("s.sock"), lab: ["lab.fcgi", "b.fcgi"] });
    rmSync(site.fpm.runtimeDir, { recursive: true });
    expect((await site.ask("b.fcgi")).status).toBe(200);
  });

  test("but nothing is made again while std-fpm stops", async () => {
    using dir = makeTempDir();
    await using site = await startSite({ listen: dir.at("s.sock") });
    const { fpm } = site;
    const inFlight = site.ask("lab.fcgi?op=sleep&ms=2000");
    await waitUntil("it is at work", () => fpm.backends().length > 0);
    await Bun.sleep(100);
    fpm.signal("SIGTERM");
    await logged(fpm, "stopping");
    rmSync(fpm.runtimeDir, { recursive: true });
    expect((await inFlight).status).toBe(200);
    expect(await fpm.exited).toBe(0);
    expect(existsSync(fpm.runtimeDir)).toBe(false);
  });

  test("and who has connected before goes on over that connection", async () => {
    await using site = await startSite();
    using kept = await connectFcgi(site.fpm.socket);
    const ask = (id: number) => kept.request(`${site.root}/lab.fcgi`, { id, keepConn: true });
    expect((await ask(1)).protocolStatus).toBe(0);
    rmSync(site.fpm.socket);
    await cameBack(site.fpm, site.fpm.socket);
    expect((await ask(2)).protocolStatus).toBe(0);
    expect(await asked(site)).toContain("Content-");
  });
});

test("a runtime folder that somebody gives to another user is taken back, told once, and nobody notices", async () => {
  if (process.geteuid?.() !== 0) return;
  await using site = await startSite({ level: "info" });
  const { fpm } = site;
  const pid = await site.text("lab.fcgi");
  chownSync(fpm.runtimeDir, 33, 33);
  await logged(fpm, `the runtime folder ${fpm.runtimeDir} was given to other users: taken back`);
  expect([statSync(fpm.runtimeDir).uid, await site.text("lab.fcgi"), await isReady(fpm)]).toEqual([
    0,
    pid,
    true,
  ]);
  await handOver(fpm);
  expect(timesLogged(fpm, "was given to other users")).toBe(1);
});

test("a folder of the sockets whose mode somebody changes is taken back, told once, and std-fpm stays ready", async () => {
  await using site = await startSite({ level: "info" });
  const { fpm } = site;
  const pid = await site.text("lab.fcgi");
  const backends = `${fpm.runtimeDir}/backends`;
  chmodSync(backends, 0o750);
  expect(await isReady(fpm)).toBe(true);
  await logged(fpm, `the runtime folder ${fpm.runtimeDir} was given to other users: taken back`);
  expect([modeOf(backends), await site.text("lab.fcgi"), await isReady(fpm)]).toEqual([0o700, pid, true]);
  expect([timesLogged(fpm, "was given to other users"), timesLogged(fpm, "was removed")]).toEqual([1, 0]);
});

describe("under the load of 20 clients", () => {
  test("no request fails when the sockets of processes are removed, and the processes are replaced", async () => {
    using dir = makeTempDir();
    await using site = await startSite({ listen: dir.at("s.sock"), level: "info" });
    const clients = startClients(site, 20);
    await waitUntil("they are served", () => clients.answered > 200);
    const old = site.fpm.backends();
    for (const what of ["backends", ""]) {
      const before = clients.answered;
      rmSync(`${site.fpm.runtimeDir}/${what}`, { recursive: true });
      await waitUntil("it is made again", () => existsSync(`${site.fpm.runtimeDir}/backends`), NOTICED_MS);
      await waitUntil("they are served", () => clients.answered > before + 300);
    }
    await waitUntil("the old ones have gone", () => !old.some(isAlive));
    expect(await clients.stop()).toEqual([]);
  });

  test("those that are connected are served on when all is removed, the others as soon as it is there", async () => {
    await using site = await startSite({ level: "info" });
    const clients = startClients(site, 20);
    await waitUntil("they are served", () => clients.answered > 200);
    rmSync(site.fpm.runtimeDir, { recursive: true });
    await waitUntil("it is made again", () => answers(site.fpm.socket), NOTICED_MS);
    const before = clients.answered;
    await waitUntil("they are served", () => clients.answered > before + 300);
    const failures = await clients.stop();
    // There was no socket that they could have connected to.
    expect(
      failures.filter((failure) => !/ENOENT|ECONNREFUSED|Failed to connect|502 Bad Gateway/.test(failure)),
    ).toEqual([]);
  });
});

describe("what cannot be made again", () => {
  test("is told once, with the remedy, and is made as soon as it can be", async () => {
    using dir = makeTempDir();
    await using site = await startSite({ listen: dir.at("s.sock") });
    const { fpm } = site;
    // It accepts connections before it has begun to serve.
    await waitUntil("it is ready", () => isReady(fpm));
    rmSync(fpm.runtimeDir, { recursive: true });
    writeFileSync(fpm.runtimeDir, "");
    await logged(fpm, "cannot be made again");
    await Bun.sleep(1500);
    expect(fpm.log()).toMatch(
      /error .*the runtime folder \S+ was removed or replaced and cannot be made again: .*no folder.* tried again every 5 s/,
    );
    expect(timesLogged(fpm, "cannot be made again")).toBe(2);
    rmSync(fpm.runtimeDir);
    await waitUntil("it is ready", () => isReady(fpm));
    expect(timesLogged(fpm, "could be made again")).toBe(2);
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  });

  test("a socket on which somebody else answers stays his", async () => {
    using dir = makeTempDir();
    await using site = await startSite({ listen: dir.at("s.sock") });
    const { fpm } = site;
    rmSync(fpm.socket);
    const other = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => other.listen(fpm.socket, resolve));
    const { ino } = statSync(fpm.socket);
    await logged(fpm, "another process answers there");
    const { status, err } = await command(fpm, "status", "--ready");
    expect(status).toBe(1);
    expect(err).toContain(`the socket ${fpm.socket} was removed or replaced and cannot be made again`);
    expect(statSync(fpm.socket).ino).toBe(ino);
    await new Promise((resolve) => other.close(resolve));
    await waitUntil("it is ready", () => isReady(fpm));
    expect(timesLogged(fpm, "cannot be made again")).toBe(1);
    expect(await asked(site)).toContain("Content-");
  });

  test("a runtime folder that another daemon has taken stays its own", async () => {
    using dir = makeTempDir();
    await using site = await startSite({ listen: dir.at("s.sock") });
    const { fpm } = site;
    const aside = dir.at("aside");
    const others = dir.at("others");
    mkdirSync(others);
    const locker = Bun.spawn([
      "flock",
      "-n",
      `${others}/std-fpm.pid`,
      "-c",
      `touch ${dir.at("locked")}; exec sleep 60`,
    ]);
    await waitUntil("it is locked", () => existsSync(dir.at("locked")));
    renameSync(fpm.runtimeDir, aside);
    renameSync(others, fpm.runtimeDir);
    await logged(fpm, "Another std-fpm runs in");
    expect(readFileSync(`${fpm.runtimeDir}/std-fpm.pid`, "latin1")).toBe("");
    expect(await isReady(fpm)).toBe(false);
    locker.kill();
    await locker.exited;
    rmSync(fpm.runtimeDir, { recursive: true });
    renameSync(aside, fpm.runtimeDir);
    await waitUntil("it is ready", () => isReady(fpm));
  });
});
