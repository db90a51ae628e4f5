import { expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { exchange } from "../support/http-exchange.ts";
import { startNginxSite } from "../support/nginx-site.ts";
import { freePort } from "../support/server-process.ts";
import { startStdFpm } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";
import { adaptedExample } from "./example-file.ts";

const PROGRAMS = 8;

test("one of two instances is stopped under load, and no request fails", async () => {
  using dir = makeTempDir();
  chmodSync(dir.path, 0o755);
  for (const folder of ["www", "one", "two", "nginx"]) mkdirSync(dir.at(folder));
  for (let program = 0; program < PROGRAMS; program++) {
    copyFileSync(resolve("dist/test-programs/lab"), dir.at("www", `${program}.fcgi`));
    chmodSync(dir.at("www", `${program}.fcgi`), 0o755);
  }
  const start = (folder: string) => startStdFpm({ folder: dir.at(folder), server: 'listen_mode = "0666"' });
  const one = await start("one");
  const two = await start("two");
  const port = freePort();
  const site = adaptedExample("servers/nginx-two-instances.conf", [
    ["listen 80;", `listen 127.0.0.1:${port};`],
    ["/srv/www", dir.at("www")],
    ["/run/std-fpm-one/std-fpm.sock", one.socket],
    ["/run/std-fpm-two/std-fpm.sock", two.socket],
  ]);
  const nginx = await startNginxSite({ folder: dir.at("nginx"), site, port });
  const statuses: number[] = [];
  const failures: string[] = [];
  let isOver = false;
  const client = async (number: number) => {
    for (let i = number; !isOver; i++) {
      const path = `/${i % PROGRAMS}.fcgi?op=sleep&ms=3`;
      const method = i % 2 === 0 ? "GET" : "POST";
      const { status, end } = await exchange({ port: nginx.port, path, method });
      statuses.push(status);
      if (status !== 200 || end === "aborted") failures.push(`${method} ${path}: ${status} ${end}`);
    }
  };
  const clients = Array.from({ length: 20 }, (_, number) => client(number));
  await waitUntil("both are at work", () => one.backends().length > 0 && two.backends().length > 0);
  await Bun.sleep(500);
  one.signal("SIGTERM");
  expect(await one.exited).toBe(0);
  const atEnd = statuses.length;
  await waitUntil("the other one does all the work", () => statuses.length > atEnd + 500);
  isOver = true;
  await Promise.all(clients);
  await nginx.stop();
  await two.stop();
  expect(failures).toEqual([]);
});
