import type { Clock, Timer } from "../base/clock.ts";
import { monotonicMicroseconds, sendDatagram } from "../base/notify-socket.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** How often the status line is renewed. */
const STATUS_EVERY_MS = 5000;

/** systemd, or whoever else listens on NOTIFY_SOCKET: is told what the daemon is at (sd_notify(3)). Without one nothing is sent. */
export class ServiceManager {
  readonly #address: string | undefined;
  /** Half of what the watchdog waits for; undefined without one. */
  readonly #watchdogEveryMs: number | undefined;
  readonly #timers: Timer[] = [];

  /** `pid`: who sends; the watchdog may be meant for another process. */
  constructor(environment: Environment, pid: number) {
    this.#address = environment["NOTIFY_SOCKET"] || undefined;
    const { WATCHDOG_USEC: microseconds = "", WATCHDOG_PID: watched } = environment;
    const isMeant = watched === undefined || watched === String(pid);
    if (isMeant && /^[1-9]\d{0,15}$/.test(microseconds))
      this.#watchdogEveryMs = Number(microseconds) / 1000 / 2;
  }

  /** It serves, or has reloaded. */
  ready(): void {
    this.#send("READY=1");
  }

  reloading(): void {
    this.#send(`RELOADING=1\nMONOTONIC_USEC=${monotonicMicroseconds()}`);
  }

  /** It finishes what is in flight, which may take so long. */
  stopping(timeoutMs: number): void {
    this.#send(`STOPPING=1\nEXTEND_TIMEOUT_USEC=${Math.ceil(timeoutMs) * 1000}`);
  }

  /** Another process is the service from now on. */
  handOver(pid: number): void {
    // The watchdog has not listened to that one until now.
    if (this.#watchdogEveryMs !== undefined) this.#send("WATCHDOG=1");
    this.#send(`MAINPID=${pid}`);
    this.end();
  }

  /**
   * Tells again and again that the event loop turns, and what `status` says. The event loop is what must not hang: while it
   * does, nothing is sent.
   */
  begin(clock: Clock, status: () => string): void {
    if (this.#address === undefined) return;
    const tell = () => this.#send(`STATUS=${status()}`);
    this.#timers.push(clock.every(STATUS_EVERY_MS, tell));
    tell();
    if (this.#watchdogEveryMs === undefined) return;
    const alive = () => this.#send("WATCHDOG=1");
    this.#timers.push(clock.every(this.#watchdogEveryMs, alive));
    alive();
  }

  /** Says nothing more by itself. */
  end(): void {
    for (const timer of this.#timers.splice(0)) timer.cancel();
  }

  #send(text: string): void {
    if (this.#address !== undefined) sendDatagram(this.#address, text);
  }
}
