import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { type Nginx, startNginx } from "../test/support/nginx.ts";
import { type SpawnedProgram, spawnFcgi } from "../test/support/spawn-fcgi.ts";
import { answers, type StdFpm, startStdFpm } from "../test/support/std-fpm.ts";
import { waitUntil } from "../test/support/wait-until.ts";

/** What is measured beside others: what stands between nginx and the program, or nothing. */
export interface Side {
  readonly name: string;
  readonly nginx: Nginx;
  /** Where it takes FastCGI requests. */
  readonly socket: string;
  /** The manager's process; undefined where there is none. */
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

export interface SideOptions {
  /** A folder for all sides. */
  readonly folder: string;
  /** The program's root, and the program. */
  readonly root: string;
  readonly program: string;
  readonly processes: number;
}

/** Starts what takes requests on this socket, and waits until it does. `stop()` ends it with all that it has started. */
export async function startServer(
  command: readonly string[],
  socket: string,
  env: Record<string, string | undefined> = process.env,
) {
  const child = Bun.spawn([...command], { env, stdio: ["ignore", "ignore", "inherit"], detached: true });
  await waitUntil(`${command[0]} answers`, () => answers(socket));
  const stop = async () => {
    process.kill(-child.pid, "SIGKILL");
    await child.exited;
  };
  return { pid: child.pid, stop };
}

/** The program alone, started by spawn-fcgi. */
export async function directSide(
  name: string,
  { folder, root, program, processes }: SideOptions,
): Promise<Side> {
  const spawned = await spawnFcgi(program, `${folder}/${name}.sock`, processes);
  return side(name, { folder, root, socket: spawned.socket, pid: undefined, stop: () => spawned.stop() });
}

/** One of the floors, in front of as many processes as it may use. */
export async function floorSide(
  name: "floor" | "floor-bodies",
  { folder, root, program, processes }: SideOptions,
): Promise<Side> {
  const programs: SpawnedProgram[] = [];
  for (let i = 0; i < processes; i++) programs.push(await spawnFcgi(program, `${folder}/${name}-${i}.sock`));
  const socket = `${folder}/${name}.sock`;
  const sockets = programs.map((each) => each.socket);
  const server = await startServer(
    [process.execPath, resolve(`bench/${name}.ts`), socket, ...sockets],
    socket,
  );
  const stop = async () => {
    await server.stop();
    for (const each of programs) await each.stop();
  };
  return side(name, { folder, root, socket, pid: server.pid, stop });
}

/** The floor for plain CGI, with as many processes at once. */
export async function floorCgiSide(
  name: string,
  { folder, root, program, processes }: SideOptions,
): Promise<Side> {
  const socket = `${folder}/${name}.sock`;
  const command = [process.execPath, resolve("bench/floor-cgi.ts"), socket, program, String(processes)];
  return side(name, { folder, root, socket, ...(await startServer(command, socket)) });
}

/** fcgiwrap with as many workers. */
export async function fcgiwrapSide(
  name: string,
  { folder, root, processes }: Omit<SideOptions, "program">,
): Promise<Side> {
  const socket = `${folder}/${name}.sock`;
  const server = await startServer(["fcgiwrap", "-c", String(processes), "-s", `unix:${socket}`], socket);
  return side(name, { folder, root, socket, pid: undefined, stop: () => server.stop() });
}

/** A std-fpm; `log` are lines of TOML for its `[log]` and what follows, `app` for `[app]`. */
export async function managedSide(
  name: string,
  { folder, root, processes }: SideOptions,
  log = "",
  app = "",
): Promise<Side> {
  const own = `${folder}/${name}`;
  mkdirSync(own);
  const fpm: StdFpm = await startStdFpm({
    folder: own,
    level: "info",
    app: `max_processes = ${processes}\n${app}`,
    log,
  });
  return side(name, { folder, root, socket: fpm.socket, pid: fpm.pid, stop: () => fpm.stop() });
}

async function side(
  name: string,
  {
    folder,
    root,
    ...rest
  }: Omit<Side, "name" | "nginx"> & { readonly folder: string; readonly root: string },
): Promise<Side> {
  const nginx = await startNginx({ folder: `${folder}/nginx-${name}`, root, fastcgi: `unix:${rest.socket}` });
  const stop = async () => {
    await nginx.stop();
    await rest.stop();
  };
  return { name, nginx, ...rest, stop };
}
