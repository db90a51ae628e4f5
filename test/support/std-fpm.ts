import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { descendantsOf, descriptorsOf, isAlive, processesWithVariable } from "./processes.ts";
import { isRoot } from "./server-process.ts";
import { TIME_FACTOR, waitUntil } from "./wait-until.ts";

/** The executable under test: what `make build` made, or what STD_FPM names. */
export const EXECUTABLE = resolve(process.env["STD_FPM"] ?? "dist/std-fpm");

/** Every process a program of a test starts has this variable, and std-fpm itself another one: how leftovers are found. */
const MARKER = "STD_FPM_TEST";
const DAEMON_MARKER = "STD_FPM_TEST_DAEMON";

/** What an event loop has. */
const OF_THREADS = /^anon_inode:\[(?:eventpoll|eventfd|timerfd)\]$/;

export interface StdFpmOptions {
  /** An existing folder for the configuration, the log and the runtime folder. */
  folder: string;
  /** Lines of TOML for these tables. `[[apps]]` tables come whole. */
  server?: string;
  log?: string;
  app?: string;
  apps?: string;
  /** More of the environment. */
  env?: Record<string, string>;
  cwd?: string;
  /** The log's level, "debug" unless told. */
  level?: string;
  /** The log's format, "plain" unless told. */
  format?: string;
  /** Another socket than the one in its runtime folder. */
  listen?: string;
  /** More addresses to listen on. */
  alsoListen?: readonly string[];
  /** Variables for the programs. */
  programEnv?: Record<string, string>;
  /** Another command than the executable under test. */
  command?: readonly string[];
  /** Do not wait until the socket answers. */
  noWait?: boolean;
}

/** A running std-fpm. `stop()` ends it and fails when anything is left behind. */
export interface StdFpm {
  readonly socket: string;
  readonly runtimeDir: string;
  readonly configFile: string;
  /** The daemon that serves: another one than was started when that has handed over. */
  readonly pid: number;
  /** How the one that was started has ended. */
  readonly exited: Promise<number>;
  /** What it has logged so far. */
  log(): string;
  /** Its processes, programs and what they started. */
  backends(): number[];
  signal(name: NodeJS.Signals): void;
  /** Open descriptors, for comparison; but for those of the event loops, which each thread has. */
  descriptors(): number;
  /** Every daemon that runs here: more than one while one hands over. */
  daemons(): number[];
  /** SIGTERM, then everything must be gone: exit status 0, no socket file, no process. */
  stop(): Promise<void>;
  /** SIGKILL, for what comes after. Nothing is checked. */
  kill(): Promise<void>;
  /** The processes that carry this instance's marker, whoever their parent is. */
  marked(): number[];
}

let instances = 0;

/** Writes a configuration, starts the executable and waits until it accepts connections. */
export async function startStdFpm(options: StdFpmOptions): Promise<StdFpm> {
  const runtimeDir = join(options.folder, "run");
  const socket = options.listen ?? join(runtimeDir, "std-fpm.sock");
  const marker = `${options.folder}:${instances++}`;
  const configFile = join(options.folder, "std-fpm.toml");
  const logFile = join(options.folder, "std-fpm.log");
  mkdirSync(runtimeDir, { recursive: true });
  writeFileSync(configFile, configOf(options, runtimeDir, socket, marker));
  const child = Bun.spawn([...(options.command ?? [EXECUTABLE]), "serve", "--config", configFile], {
    stdio: ["ignore", Bun.file(join(options.folder, "stdout.log")), Bun.file(logFile)],
    env: { PATH: "/usr/bin:/bin", [DAEMON_MARKER]: marker, ...options.env },
    cwd: options.cwd ?? "/",
  });
  const log = () => readFileSync(logFile, "utf8");
  if (!options.noWait) {
    await waitUntil("std-fpm answers", async () => {
      if (child.exitCode !== null) throw new Error(`std-fpm ended with ${child.exitCode}: ${log()}`);
      return (await answers(socket)) && (options.alsoListen ?? []).every(isListenedOn);
    });
  }
  const marked = () => processesWithVariable(MARKER, marker);
  const daemons = () => processesWithVariable(DAEMON_MARKER, marker);
  const current = () => {
    const pid = pidIn(runtimeDir);
    return pid !== undefined && daemons().includes(pid) ? pid : child.pid;
  };
  return {
    socket,
    runtimeDir,
    configFile,
    get pid() {
      return current();
    },
    exited: child.exited,
    log,
    marked,
    daemons,
    backends: () => descendantsOf(current()),
    signal: (name) => process.kill(current(), name),
    descriptors: () => [...descriptorsOf(current()).values()].filter((each) => !OF_THREADS.test(each)).length,
    async stop() {
      const pid = current();
      if (pid !== child.pid) await terminateOther(pid);
      // Where a test has ended it already, the test knows which status is right.
      const status = child.exitCode === null && child.signalCode === null ? await terminate(child) : 0;
      const processes = [...marked(), ...daemons()];
      const left = [...leftFiles(runtimeDir, socket), ...processes.map((each) => `process ${each}`)];
      if (status !== 0) left.unshift(`exit status ${status}`);
      if (left.length > 0) throw new Error(`std-fpm left behind: ${left.join(", ")}\n${log()}`);
    },
    async kill() {
      for (const pid of daemons()) process.kill(pid, "SIGKILL");
      await child.exited;
      // Its threads end one by one, and the last one closes its sockets: a zombie may still have them.
      await waitUntil("its socket is closed", async () => !(await answers(socket)));
    },
  };
}

async function terminate(child: Bun.Subprocess): Promise<number | string> {
  child.kill("SIGTERM");
  const code = await child.exited;
  return child.signalCode ?? code;
}

/** Changes the configuration file. */
export function edit(fpm: StdFpm, from: string | RegExp, to: string): void {
  const text = readFileSync(fpm.configFile, "utf8");
  const changed = text.replace(from, to);
  if (changed === text) throw new Error(`the configuration has no ${from}`);
  writeFileSync(fpm.configFile, changed);
}

/** Waits until the log has this text. */
export async function logged(fpm: StdFpm, text: string): Promise<void> {
  await waitUntil(`the log says: ${text}`, () => fpm.log().includes(text));
}

/** Ends a daemon that is no child of ours; its exit status remains unknown. */
async function terminateOther(pid: number): Promise<void> {
  process.kill(pid, "SIGTERM");
  await waitUntil(`std-fpm (pid ${pid}) has ended`, () => !isAlive(pid), 40_000);
}

/** What the pid file says. */
function pidIn(runtimeDir: string): number | undefined {
  const file = join(runtimeDir, "std-fpm.pid");
  return existsSync(file) ? Number(readFileSync(file, "latin1")) : undefined;
}

/** Whether an address, a path or "host:port", has a listener, by what the kernel says: who connects may be refused. */
function isListenedOn(address: string): boolean {
  if (address.startsWith("/")) return existsSync(address);
  const port = Number(address.split(":").at(-1)).toString(16).toUpperCase().padStart(4, "0");
  return new RegExp(`:${port} \\w+:0000 0A `).test(readFileSync("/proc/net/tcp", "latin1"));
}

/** Whether somebody accepts connections on a Unix socket. */
export async function answers(path: string): Promise<boolean> {
  try {
    const socket = await Bun.connect({ unix: path, socket: { data() {} } });
    socket.terminate();
    return true;
  } catch {
    return false;
  }
}

function configOf(options: StdFpmOptions, runtimeDir: string, socket: string, marker: string): string {
  const env = Object.entries({ [MARKER]: marker, ...options.programEnv });
  return `
[server]
listen = ${JSON.stringify([socket, ...(options.alsoListen ?? [])])}
runtime_dir = "${runtimeDir}"
include = ""
${withTime(options.server ?? "")}
[log]
level = "${options.level ?? "debug"}"
format = "${options.format ?? "plain"}"
${options.log ?? ""}
[app]
env = { ${env.map(([name, value]) => `${name} = "${value}"`).join(", ")} }
${options.app ?? ""}
${isRoot() && !/^user = /m.test(options.app ?? "") ? 'user = "root"' : ""}
${options.apps ?? ""}
`;
}

/** Where everything takes longer, so does what is in flight at a stop. */
function withTime(server: string): string {
  return server.replace(
    /^(drain_timeout = )"(\d+)s"/gm,
    (_, key, seconds) => `${key}"${seconds * TIME_FACTOR}s"`,
  );
}

// The runtime folder may stay; what is in it, but empty folders, may not.
function leftFiles(runtimeDir: string, socket: string): string[] {
  if (!existsSync(runtimeDir)) return [];
  const inside = readdirSync(runtimeDir, { recursive: true, encoding: "utf8" });
  const files = inside.map((name) => join(runtimeDir, name)).filter((path) => !lstatSync(path).isDirectory());
  return existsSync(socket) && !files.includes(socket) ? [...files, socket] : files;
}
