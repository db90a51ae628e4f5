import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, rmSync } from "node:fs";
import { command } from "../support/admin.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { type Site, startSite } from "../support/site.ts";
import { EXECUTABLE, logged } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";

/** A port that nobody listens on at the moment. */
function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop();
  return port;
}

async function isServed(site: Site, to: string | { hostname: string; port: number }): Promise<boolean> {
  // Where std-fpm closes at once, Bun may report that as a failure to connect.
  const connection = await connectFcgi(to).catch(() => undefined);
  using _ = connection;
  const answer = await connection?.request(`${site.root}/lab.fcgi`).catch(() => undefined);
  return answer?.stdout.startsWith("Content-Type: ") ?? false;
}

describe("allowed_clients", () => {
  test("lets in whom it names, and closes on all others with a line in the log", async () => {
    const port = freePort();
    await using site = await startSite({
      alsoListen: [`127.0.0.1:${port}`],
      server: 'allowed_clients = ["127.0.0.2"]',
    });
    const local = { hostname: "127.0.0.1", port };
    expect(await isServed(site, local)).toBe(false);
    expect(site.fpm.log()).toContain("refused a connection: 127.0.0.1 is not in allowed_clients");
    // Unix sockets are none of its business.
    expect(await isServed(site, site.fpm.socket)).toBe(true);
    const text = readFileSync(site.fpm.configFile, "utf8");
    await Bun.write(site.fpm.configFile, text.replace('["127.0.0.2"]', '["127.0.0.0/8"]'));
    site.fpm.signal("SIGHUP");
    await waitUntil("it is reloaded", () => site.fpm.log().includes("configuration reloaded"));
    expect(await isServed(site, local)).toBe(true);
  });

  test.each([
    ['listen = "0.0.0.0:9000"', "set server.allowed_clients and app.roots"],
    ['listen = "0.0.0.0:9000"\nallowed_clients = ["10.0.0.1"]', "set app.roots"],
    [
      'listen = "[::]:9000"\nallowed_clients = ["10.0.0.1"]\n[app]\nroots = ["/srv"]\nuser = "root"',
      undefined,
    ],
  ])("with %j a start is refused: %p", async (server, reason) => {
    const file = `/tmp/fpm-access-${crypto.randomUUID()}.toml`;
    await Bun.write(file, `[server]\n${server}\n`);
    const { exitCode, stderr } = Bun.spawnSync([EXECUTABLE, "check", "--config", file]);
    await Bun.file(file).delete();
    expect(exitCode).toBe(reason === undefined ? 0 : 1);
    if (reason !== undefined) expect(stderr.toString()).toContain(reason);
  });
});

describe("allowed_users", () => {
  test("lets in whom it names, root and its own user, and no other", async () => {
    if (process.geteuid?.() !== 0) {
      await using own = await startSite({ server: 'allowed_users = ["root"]' });
      expect(await isServed(own, own.fpm.socket)).toBe(true);
      return;
    }
    await using site = await startSite({ server: 'listen_mode = "0666"\nallowed_users = ["www-data"]' });
    for (const folder of [site.folder, site.fpm.runtimeDir]) chmodSync(folder, 0o755);
    expect(await isServed(site, site.fpm.socket)).toBe(true);
    const asUser = (user: string) => {
      const request = ["request", "--config", site.fpm.configFile, `${site.root}/lab.fcgi`];
      const command = ["setpriv", `--reuid=${user}`, "--clear-groups", EXECUTABLE, ...request];
      return Bun.spawnSync(command, { env: { PATH: "/usr/bin:/bin" } });
    };
    expect(asUser("www-data").stdout.toString()).toMatch(/\d+\s*$/);
    expect(asUser("games").exitCode).not.toBe(0);
    expect(site.fpm.log()).toContain("refused a connection: user 5 is not in allowed_users");
  });

  test("that nobody knows refuses the start", async () => {
    const file = `/tmp/fpm-access-${crypto.randomUUID()}.toml`;
    await Bun.write(
      file,
      '[server]\nlisten = "/tmp/fpm-never.sock"\nruntime_dir = "/tmp/fpm-never"\nallowed_users = ["no-such-user"]\n',
    );
    const { exitCode, stderr } = Bun.spawnSync([EXECUTABLE, "serve", "--config", file], { timeout: 5000 });
    await Bun.file(file).delete();
    expect(exitCode).toBe(1);
    expect(stderr.toString()).toContain('server.allowed_users: there is no user "no-such-user"');
  });
});

describe("socket activation", () => {
  /** A command that does what systemd does: makes the sockets, then executes std-fpm with them. */
  const activate = (sockets: readonly string[], more = "") => [
    "/usr/bin/python3",
    "-c",
    `import os, socket, sys
made = []
for text in ${JSON.stringify(sockets)}:
    if text.startswith("/"):
        made.append(socket.socket(socket.AF_UNIX)); made[-1].bind(text); os.chmod(text, 0o622)
    else:
        made.append(socket.socket()); made[-1].bind(("127.0.0.1", int(text)))
    made[-1].listen(128)
${more}
for number, each in enumerate(made):
    os.dup2(each.fileno(), 100 + number)
for number in range(len(made)):
    os.dup2(100 + number, 3 + number, inheritable=True); os.close(100 + number)
os.environ.update(LISTEN_FDS=str(len(made)), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=":".join("web" for _ in made))
os.execv(sys.argv[1], sys.argv[1:])`,
    EXECUTABLE,
  ];

  test("serves on the sockets it is given instead of `listen`, leaves them when it ends, and hands them over", async () => {
    const port = freePort();
    const path = `/tmp/fpm-activated-${process.pid}.sock`;
    await using site = await startSite({ command: activate([path, String(port)]), listen: path });
    expect(await isServed(site, path)).toBe(true);
    expect(await isServed(site, { hostname: "127.0.0.1", port })).toBe(true);
    expect(await site.text("lab.fcgi?op=env")).not.toContain("LISTEN_");
    const { pid } = site.fpm;
    site.fpm.signal("SIGUSR2");
    await waitUntil("the new one has taken over", () => site.fpm.pid !== pid);
    await waitUntil("the old one is gone", () => !existsSync(`/proc/${pid}`));
    expect(await isServed(site, path)).toBe(true);
    expect(Bun.spawnSync(["stat", "-c", "%a", path]).stdout.toString()).toBe("622\n");
    site.fpm.signal("SIGTERM");
    await waitUntil("it has ended", () => site.fpm.daemons().length === 0);
    // systemd goes on to own it.
    expect(existsSync(path)).toBe(true);
    await Bun.file(path).delete();
  });

  test("tells once that the file of such a socket was removed, and leaves it to systemd", async () => {
    const path = `/tmp/fpm-removed-${process.pid}.sock`;
    await using site = await startSite({ command: activate([path]), listen: path });
    await logged(site.fpm, "serving");
    rmSync(path);
    await logged(site.fpm, `the socket ${path} was removed or replaced and cannot be made again`);
    await Bun.sleep(1200);
    expect(site.fpm.log().split("only it can make it again").length).toBe(2);
    expect(existsSync(path)).toBe(false);
    const { status, err } = await command(site.fpm, "status", "--ready");
    expect([status, err]).toEqual([1, expect.stringContaining(`the socket ${path} was removed or replaced`)]);
  });

  test.each([
    ["does not listen", "made = [socket.socket()]"],
    [
      "is no stream",
      "made = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)]; made[0].bind(text + 'q'); made[0].listen(1)",
    ],
  ])("with a descriptor that %s is refused with its name", async (why, more) => {
    const path = `/tmp/fpm-refused-${process.pid}.sock`;
    const [command = "", ...words] = activate([path], more);
    const { exitCode, stderr } = Bun.spawnSync([command, ...words, "serve"], { timeout: 5000 });
    for (const each of [path, `${path}q`]) rmSync(each, { force: true });
    expect(exitCode).toBe(1);
    expect(stderr.toString()).toContain(`descriptor 3 (web) ${why}`);
  });
});
