import { readSync } from "node:fs";
import type { Subprocess } from "bun";
import type { Clock } from "../base/clock.ts";
import { FpmError, messageOf } from "../base/errors.ts";
import { closeFd, isReadable, openPipe } from "../base/libc.ts";
import { Timers } from "../base/timers.ts";
import type { Reaper } from "../start/reaper.ts";
import { type Bequest, HANDOVER_VARIABLE, pack, READY, READY_ELSEWHERE } from "./handover.ts";

/** How long a new executable may take until it serves. */
const READY_TIMEOUT_MS = 30_000;
const LOOK_MS = 10;

/** How the start came out. After a failure the process has ended. */
export type Started =
  | { readonly kind: "serving"; readonly pid: number; readonly isElsewhere: boolean }
  | { readonly kind: "failed"; readonly why: string };

/** Why a daemon is to have none now. `present`: the one that is being started. */
export function whyNoSuccessor(
  command: readonly string[] | undefined,
  isRunning: boolean,
  present: Successor | undefined,
): string | undefined {
  if (!command) return "it is not known how";
  if (!isRunning) return "std-fpm is stopping";
  if (present) return "one is being started already";
  // With the first process of a PID namespace the kernel ends all others (pid_namespaces(7)).
  if (process.pid === 1)
    return "std-fpm is the first process of its container, which would end with it; start another container";
  return undefined;
}

/** The process that is to take a daemon's place. */
export class Successor {
  readonly #process: Subprocess;
  /** The reading end of the pipe that the new one writes to. */
  readonly #readyFd: number;
  readonly #timers: Timers<"look" | "timeout">;
  readonly #started = Promise.withResolvers<Started>();
  #killedFor: string | undefined;
  #isSettled = false;

  /** Starts `command` with the bequest. @throws FpmError HANDOVER, SYSTEM_CALL. */
  constructor(command: readonly string[], bequest: Bequest, clock: Clock, reaper: Pick<Reaper, "leave">) {
    this.#timers = new Timers(clock);
    const { readFd, writeFd } = openPipe();
    const { value, fds } = pack(bequest, writeFd);
    try {
      this.#process = Bun.spawn([...command], {
        stdio: ["inherit", "inherit", "inherit", ...fds],
        cwd: "/",
        // The watchdog watches whoever is the service: not this pid only.
        env: { ...process.env, WATCHDOG_PID: undefined, [HANDOVER_VARIABLE]: value },
        onExit: () => this.#onExit(),
      });
    } catch (error) {
      closeFd(readFd);
      throw new FpmError("HANDOVER", "daemon", `${command[0]} cannot be started: ${messageOf(error)}`, {
        cause: error,
      });
    } finally {
      closeFd(writeFd);
    }
    reaper.leave(this.#process);
    this.#readyFd = readFd;
    this.#timers.set("timeout", READY_TIMEOUT_MS, () => {
      this.kill(`it was not ready within ${READY_TIMEOUT_MS / 1000} s`);
    });
    this.#look();
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Settles when it serves, or has ended. */
  get started(): Promise<Started> {
    return this.#started.promise;
  }

  /** Ends it at once, unless it serves already. */
  kill(why: string): void {
    if (this.#isSettled) return;
    this.#killedFor ??= why;
    this.#process.kill("SIGKILL");
  }

  #look(): void {
    if (isReadable(this.#readyFd) && this.#killedFor === undefined) {
      const bytes = Buffer.alloc(64);
      const said = bytes.toString("latin1", 0, readSync(this.#readyFd, bytes));
      if (said === READY || said === READY_ELSEWHERE) {
        this.#settle({ kind: "serving", pid: this.pid, isElsewhere: said === READY_ELSEWHERE });
        return;
      }
      this.kill("it wrote something else than expected into the ready pipe");
    }
    this.#timers.set("look", LOOK_MS, () => this.#look());
  }

  #onExit(): void {
    const { exitCode, signalCode } = this.#process;
    const ending = exitCode === null ? `${signalCode} ended it` : `it ended with status ${exitCode}`;
    this.#settle({ kind: "failed", why: this.#killedFor ?? ending });
  }

  #settle(started: Started): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#timers.cancelAll();
    closeFd(this.#readyFd);
    this.#started.resolve(started);
  }
}
