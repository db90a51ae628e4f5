import { readFileSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "./wait-until.ts";

/** A web server in front of std-fpm, as a process of the test. */
export interface WebServer {
  readonly port: number;
  readonly pid: number;
  /** What is in its error log. */
  errorLog(): string;
  /** Ends it; fails when it did not end well. */
  stop(): Promise<void>;
}

/** What a web server of a test is started with. */
export interface WebServerOptions {
  /** An existing folder for everything it writes. */
  readonly folder: string;
  /** Its part of the configuration that is about std-fpm, ready for use on `port`. */
  readonly site: string;
  readonly port: number;
}

/** How the program of a web server is run. */
export interface ServerCommand {
  readonly argv: readonly [string, ...string[]];
  /** Where the server, or its stderr, is told to log. */
  readonly errorLog: string;
  readonly env?: Record<string, string>;
  /** What makes it end well, SIGTERM unless told. */
  readonly stopSignal?: NodeJS.Signals;
}

/** Runs a web server in the foreground and waits until it answers over HTTP, whatever it says. */
export async function runServer(
  { folder, port }: WebServerOptions,
  command: ServerCommand,
): Promise<WebServer> {
  const stderrFile = join(folder, "stderr.log");
  const child = Bun.spawn([...command.argv], {
    stdio: ["ignore", "ignore", Bun.file(stderrFile)],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...command.env },
    cwd: folder,
  });
  const name = command.argv[0];
  await waitUntil(`${name} answers`, () => {
    if (child.exitCode !== null)
      throw new Error(`${name} did not start: ${readFileSync(stderrFile, "utf8")}`);
    return fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
  });
  const errorLog = () => readFileSync(command.errorLog, "utf8");
  return {
    port,
    pid: child.pid,
    errorLog,
    async stop() {
      child.kill(command.stopSignal ?? "SIGTERM");
      const code = await child.exited;
      if (code !== 0) throw new Error(`${name} ended with ${child.signalCode ?? code}: ${errorLog()}`);
    },
  };
}

/** A port for a server that cannot inherit a listening socket; the kernel does not give it to anybody else so soon. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}

/** Whether the test runs as root, whose servers would change to a user of their own. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}
