import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { exchange, type HttpAnswer, type HttpRequest } from "../support/http-exchange.ts";
import type { WebServer } from "../support/server-process.ts";
import { type StdFpm, startStdFpm } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { startWay, type Way } from "./ways.ts";

const LAB = resolve("dist/test-programs/lab");
const HEADERS = resolve("test/fixtures/programs/headers.fcgi");
/**
 * The programs of a site. `one` has one process at most; in the place of `ping` and `status` std-fpm answers itself; the others test
 * what a file's name may hold.
 */
const PROGRAMS = {
  lab: LAB,
  one: LAB,
  "a space": LAB,
  "grüße-日本": LAB,
  headers: HEADERS,
  forbidden: LAB,
  ping: LAB,
  status: LAB,
};

/** A web server in front of std-fpm, and programs. Ends with everything stopped and nothing left behind. */
export interface ServerSite extends AsyncDisposable {
  readonly way: Way;
  readonly server: WebServer;
  readonly fpm: StdFpm;
  /** The path of a program's file. */
  file(program: keyof typeof PROGRAMS): string;
  /** One HTTP exchange with a program; `after` is what follows its name in the URL: PATH_INFO, a query. */
  ask(program: string, after?: string, request?: Omit<HttpRequest, "port" | "path">): Promise<HttpAnswer>;
  /** One HTTP exchange with the web server's own files. */
  askFile(name: string): Promise<HttpAnswer>;
  /** What the program `lab` was told: PARAMS and then its environment. */
  env(program: string, after?: string, request?: Omit<HttpRequest, "port" | "path">): Promise<string[]>;
}

/** Starts it all. */
export async function startServerSite(way: Way): Promise<ServerSite> {
  const dir = makeTempDir();
  // Apache's workers are not the user who runs the tests when that is root.
  chmodSync(dir.path, 0o755);
  const root = dir.at("www");
  const file = (program: string) => join(root, way.file(program));
  mkdirSync(dirname(file("any")), { recursive: true });
  for (const [program, original] of Object.entries(PROGRAMS)) {
    copyFileSync(original, file(program));
    chmodSync(file(program), program === "forbidden" ? 0o644 : 0o755);
  }
  writeFileSync(join(root, "page.html"), "a page");
  const fpm = await startStdFpm({
    folder: dir.path,
    server: `listen_mode = "0666"\nping_path = "/${way.file("ping")}"\nstatus_path = "/${way.file("status")}"`,
    apps: '[[apps]]\nmatch = "/**/one.fcgi"\nmax_processes = 1',
  });
  const folder = dir.at("server");
  mkdirSync(folder);
  const server = await startWay(way, { root, socket: fpm.socket, folder }).catch(async (error) => {
    await fpm.kill();
    throw error;
  });
  const ask: ServerSite["ask"] = (program, after = "", request = {}) =>
    exchange({ port: server.port, path: encodeURI(way.url(program)) + after, ...request });
  return {
    way,
    server,
    fpm,
    file,
    ask,
    askFile: (name) => exchange({ port: server.port, path: `/${name}` }),
    async env(program, after = "?op=env", request = {}) {
      const answer = await ask(program, after, request);
      if (answer.status !== 200)
        throw new Error(`${program}: ${answer.status}: ${answer.text()}\n${fpm.log()}`);
      return answer.text().split("\n");
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      await fpm.stop();
      dir[Symbol.dispose]();
    },
  };
}
