import { readFileSync } from "node:fs";
import { answers } from "./std-fpm.ts";
import { waitUntil } from "./wait-until.ts";

/** A program started by spawn-fcgi: the web server talks to it directly, nobody manages it. */
export interface SpawnedProgram {
  readonly socket: string;
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

/** Starts so many processes of a program on one socket. */
export async function spawnFcgi(program: string, socket: string, processes = 1): Promise<SpawnedProgram> {
  const pidFile = `${socket}.pid`;
  const child = Bun.spawn(
    [
      "spawn-fcgi",
      "-s",
      socket,
      "-M",
      "0666",
      "-b",
      "1024",
      "-F",
      String(processes),
      "-P",
      pidFile,
      "--",
      program,
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  if ((await child.exited) !== 0) throw new Error(`spawn-fcgi failed: ${program}`);
  const pids = readFileSync(pidFile, "utf8").split(/\s+/).filter(Boolean).map(Number);
  await waitUntil(`${program} accepts`, () => answers(socket));
  return {
    socket,
    pids,
    async stop() {
      for (const pid of pids) process.kill(pid, "SIGKILL");
    },
  };
}
