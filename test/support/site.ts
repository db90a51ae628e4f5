import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { exchange, type HttpAnswer, type HttpRequest } from "./http-exchange.ts";
import { type Nginx, startNginx, type Way } from "./nginx.ts";
import { edit, logged, type StdFpm, type StdFpmOptions, startStdFpm } from "./std-fpm.ts";
import { makeTempDir } from "./temp-dir.ts";
import { TIME_FACTOR, waitUntil } from "./wait-until.ts";

const LAB = resolve("dist/test-programs/lab");
/**
 * What a std-fpm that is emulated does for the first time is slow by itself: a site with `[slow_log]` has done so much before. And its programs
 * wait longer, as a look at them takes its time.
 */
const FIRST_REQUESTS = 20;
const WAIT_FACTOR = 4;

export interface SiteOptions extends Omit<StdFpmOptions, "folder"> {
  /** Copies of the fault program to put into the root: "lab.fcgi", "slow-boot.fcgi", … */
  lab?: readonly string[];
  /** Other files of the root: an existing file's path, or a text. All are made executable. */
  files?: Record<string, { copyOf: string } | string>;
  /** As in StdFpmOptions; $ROOT stands for the root. */
  apps?: string;
  /** As in StdFpmOptions; $FOLDER stands for the folder of the site. */
  server?: string;
  log?: string;
  /** More directives for nginx's `http` block. */
  nginx?: string;
  /** More locations of its server; FASTCGI stands for the address of std-fpm, $ROOT for the root. */
  locations?: string;
}

/** A web server, std-fpm behind it and programs in a folder. Ends with everything stopped and nothing left behind. */
export interface Site extends AsyncDisposable {
  readonly root: string;
  readonly folder: string;
  readonly fpm: StdFpm;
  readonly nginx: Nginx;
  /** One HTTP exchange with `/WAY/PATH`; the way is `direct` unless told. */
  ask(path: string, request?: Omit<HttpRequest, "port" | "path"> & { way?: Way }): Promise<HttpAnswer>;
  /** The answer's body; fails unless the answer is a whole 200. */
  text(path: string, way?: Way): Promise<string>;
  /** Starts std-fpm anew, with the same configuration, after it ended. */
  restart(): Promise<void>;
  /** Puts a file into the root. */
  put(name: string, file: { copyOf: string } | string, mode?: number): string;
}

/** Starts it all. Use it with `await using`. */
export async function startSite(options: SiteOptions = {}): Promise<Site> {
  const dir = makeTempDir();
  const root = dir.at("www");
  const put: Site["put"] = (name, file, mode = 0o755) => {
    const path = join(root, name);
    mkdirSync(dirname(path), { recursive: true });
    if (typeof file === "string") writeFileSync(path, file);
    else copyFileSync(file.copyOf, path);
    chmodSync(path, mode);
    return path;
  };
  for (const name of options.lab ?? ["lab.fcgi"]) put(name, { copyOf: LAB });
  for (const [name, file] of Object.entries(options.files ?? {})) put(name, file);

  const apps = options.apps?.replaceAll("$ROOT", root) ?? "";
  const server = options.server?.replaceAll("$FOLDER", dir.path) ?? "";
  const log = options.log?.replaceAll("$FOLDER", dir.path) ?? "";
  const fpmOptions = { ...options, apps, server, log, folder: dir.path };
  const locations = options.locations?.replaceAll("$ROOT", root) ?? "";
  const isWarmedUp = TIME_FACTOR > 1 && /\[slow_log\]\nafter = "[1-9]/.test(log);
  let fpm = await startStdFpm(isWarmedUp ? { ...fpmOptions, log: "" } : fpmOptions);
  const nginx = await startNginx({
    folder: dir.at("nginx"),
    root,
    fastcgi: `unix:${fpm.socket}`,
    http: options.nginx ?? "",
    locations,
  }).catch(async (error) => {
    await fpm.kill();
    throw error;
  });
  const ask: Site["ask"] = (path, { way = "direct", ...request } = {}) => {
    const asked = isWarmedUp ? path.replace(/\bms=(\d+)/g, (_, ms) => `ms=${ms * WAIT_FACTOR}`) : path;
    return exchange({ port: nginx.port, path: `/${way}/${asked}`, ...request });
  };
  if (isWarmedUp) {
    put("first.fcgi", { copyOf: LAB });
    for (let i = 0; i < FIRST_REQUESTS; i++) await ask("first.fcgi");
    for (const pid of fpm.backends()) process.kill(pid, "SIGTERM");
    await waitUntil("its processes have ended", () => fpm.backends().length === 0);
    edit(fpm, "\n[app]\n", `\n${log}\n[app]\n`);
    fpm.signal("SIGHUP");
    await logged(fpm, "configuration reloaded");
  }

  return {
    root,
    folder: dir.path,
    get fpm() {
      return fpm;
    },
    nginx,
    ask,
    put,
    async text(path, way = "direct") {
      const answer = await ask(path, { way });
      if (answer.status !== 200 || (answer.end !== "complete" && answer.end !== "until-close")) {
        throw new Error(`${path}: ${answer.status}, ${answer.end}: ${answer.text()}\n${fpm.log()}`);
      }
      return answer.text();
    },
    async restart() {
      fpm = await startStdFpm(fpmOptions);
    },
    async [Symbol.asyncDispose]() {
      await nginx.stop();
      await fpm.stop();
      dir[Symbol.dispose]();
    },
  };
}
