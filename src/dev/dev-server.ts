import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errnoOf, FpmError, messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import { isProgramName } from "../config/program-path.ts";
import { resolveTables } from "../config/resolve.ts";
import { defaultTables, type Tables } from "../config/tables.ts";
import { createFailureLog } from "./failure-log.ts";
import { createHandler } from "./handler.ts";
import { listPrograms } from "./program-list.ts";
import type { Site } from "./site.ts";
import { sourceTest } from "./source-test.ts";

/** The part of the daemon that is needed here. */
export interface DevDaemon {
  stop(reason: string): Promise<void>;
  /** Settles when it has stopped, also by a signal. */
  readonly finished: Promise<unknown>;
}

export interface DevOptions {
  /** The folder to serve. */
  readonly folder: string;
  /** 0 = any free one. */
  readonly port: number;
  /** The configuration whose programs' settings hold; without it the defaults. */
  readonly tables?: Tables | undefined;
  readonly log: Log;
  startDaemon(options: { config: Config; log: Log }): Promise<DevDaemon>;
}

export interface DevServer {
  readonly port: number;
  /** URLs of the programs found at the start. */
  readonly programUrls: readonly string[];
  /** Resolves when daemon and HTTP server have ended and the temporary folder is gone. */
  readonly finished: Promise<void>;
  /** Like the daemon's: a second call does not wait for requests any more. */
  stop(reason: string): Promise<void>;
}

/** With a longer TMPDIR the backends' sockets would have names that the kernel does not take. */
const LONGEST_TMPDIR = 55;

/** A real daemon on a socket of its own in a temporary folder, and an HTTP server on 127.0.0.1 in front of it. */
export async function startDev(options: DevOptions): Promise<DevServer> {
  const root = await servedFolder(options.folder);
  const base = tmpdir().length > LONGEST_TMPDIR ? "/tmp" : tmpdir();
  const runtimeDir = await mkdtemp(join(base, "std-fpm-dev-"));
  const removeRuntimeDir = () => rm(runtimeDir, { recursive: true, force: true });
  let daemon: DevDaemon | undefined;
  try {
    const tables = devTables(options.tables ?? defaultTables(), root, runtimeDir);
    const config = resolveTables(tables, []);
    const failures = createFailureLog(options.log);
    daemon = await options.startDaemon({ config, log: failures.log });
    const site = siteOf(root, config, tables);
    const server = serveHttp(options.port, createHandler({ site, address: addressOf(config), failures }));
    const running = daemon;
    const finished = running.finished.then(async () => {
      await server.stop(true);
      await removeRuntimeDir();
    });
    const origin = `http://localhost:${server.port}`;
    const { programs } = await listPrograms(root, root, site.isProgram);
    return {
      port: server.port ?? options.port,
      programUrls: programs.map(({ url }) => origin + url),
      finished,
      async stop(reason) {
        await running.stop(reason);
        await finished;
      },
    };
  } catch (thrown) {
    await daemon?.stop("the development front could not start");
    await removeRuntimeDir();
    throw thrown;
  }
}

async function servedFolder(folder: string): Promise<string> {
  try {
    return await realpath(`${folder}/.`);
  } catch (thrown) {
    throw new FpmError("SCRIPT_NOT_FOUND", "client", `${folder}: there is no such folder`, { cause: thrown });
  }
}

/** The programs' settings stay as they are; what concerns the machine's own daemon is replaced. */
function devTables(tables: Tables, root: string, runtimeDir: string): Tables {
  const { server } = defaultTables();
  const roots = tables.app.roots.length === 0 ? [root] : tables.app.roots;
  return {
    ...tables,
    server: {
      ...server,
      listen: join(runtimeDir, "dev.sock"),
      listen_mode: "0600",
      runtime_dir: runtimeDir,
      include: "",
    },
    app: withUserOfCaller({ ...tables.app, roots }),
    apps: process.geteuid?.() === 0 ? tables.apps : tables.apps.map(withoutUser),
  };
}

/** Nobody but root can have programs of other users. */
function withUserOfCaller(app: Tables["app"]): Tables["app"] {
  if (process.geteuid?.() !== 0) return { ...app, user: "", group: "" };
  return app.user === "" ? { ...app, user: "root" } : app;
}

function withoutUser({
  user: _user,
  group: _group,
  ...settings
}: Tables["apps"][number]): Tables["apps"][number] {
  return settings;
}

function siteOf(root: string, config: Config, tables: Tables): Site {
  return {
    root,
    isProgram(path) {
      const app = config.appFor(path);
      return !app.anyPath && isProgramName(path, app);
    },
    isVirtual: (path) => config.appFor(path).anyPath,
    isSource: sourceTest(tables, config.literalMatches),
  };
}

function addressOf(config: Config) {
  const [address] = config.server.listen;
  if (address === undefined)
    throw new FpmError("LISTEN_FAILED", "daemon", "there is no address to listen on");
  return address;
}

function serveHttp(port: number, handle: ReturnType<typeof createHandler>): Bun.Server<undefined> {
  try {
    return Bun.serve({
      hostname: "127.0.0.1",
      port,
      reusePort: false,
      development: false,
      idleTimeout: 0,
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      async fetch(request, server) {
        const peer = server.requestIP(request);
        return await handle(request, {
          address: peer?.address ?? "127.0.0.1",
          port: peer?.port ?? 0,
          serverPort: server.port ?? port,
        });
      },
      error: (thrown) => new Response(`std-fpm dev: ${messageOf(thrown)}\n`, { status: 500 }),
    });
  } catch (thrown) {
    const isTaken = errnoOf(thrown) === "EADDRINUSE";
    const reason = isTaken ? "it is in use; choose another one with --port" : messageOf(thrown);
    throw new FpmError(isTaken ? "LISTEN_IN_USE" : "LISTEN_FAILED", "daemon", `port ${port}: ${reason}`, {
      cause: thrown,
    });
  }
}
