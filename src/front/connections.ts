import type { Timer } from "../base/clock.ts";
import { noteDescriptor } from "../base/descriptor-limit.ts";
import { FpmError } from "../base/errors.ts";
import { nextDescriptor } from "../base/libc.ts";
import { RareLine } from "../base/rare-line.ts";
import { Roster } from "../base/roster.ts";
import type { Admission } from "./admission.ts";
import { Connection, type ConnectionDeps, type FrontSocket } from "./connection.ts";
import { type Gate, type PlaceLimits, Places } from "./places.ts";

/** How often connections are looked at for what is overdue. */
const LOOK_MS = 1000;
/** After so long without a word of it a web server's machine is asked whether it is still there. */
const KEEP_ALIVE_MS = 60_000;
/** What a request may take at once, before anybody has counted: its connection, a file for its body, a connection to its program. */
const DESCRIPTORS_PER_REQUEST = 3;
/** What is asked of the connections. */
export interface FrontLimits extends PlaceLimits {
  readonly headTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly admission: Admission;
}

/** What the connections need of their surroundings. */
export type FrontDeps = Pick<
  ConnectionDeps,
  "clock" | "log" | "clientLog" | "buffers" | "onRejected" | "onDismissed" | "isStreamed" | "onRequest"
>;

/** All connections from web servers, whichever address they came in by. */
export class Connections {
  readonly #connections = new Roster<Connection>();
  readonly #places: Places;
  /** The connections see what changes in it. */
  readonly #deps: { -readonly [Name in keyof ConnectionDeps]: ConnectionDeps[Name] };
  #admission: Admission;
  #look: Timer;
  readonly #refused: RareLine;
  readonly #spent: RareLine;

  constructor(limits: FrontLimits, deps: FrontDeps, gate: Gate) {
    const { clock, log } = deps;
    const { headTimeoutMs, bodyTimeoutMs } = limits;
    const onClosed = (connection: Connection) => this.#onClosed(connection);
    const onSpent = () => this.#onSpent();
    this.#refused = new RareLine(clock);
    this.#spent = new RareLine(clock);
    this.#places = new Places(limits, { clock, log, gate });
    this.#deps = { ...deps, headTimeoutMs, bodyTimeoutMs, places: this.#places, onClosed, onSpent };
    this.#admission = limits.admission;
    this.#look = this.#lookRegularly();
  }

  /** Open connections, those included that wait for a place or are about to close. */
  get size(): number {
    return this.#connections.size;
  }

  /** Most that are served at once; how many wait for a place, and how many had to. */
  get places(): Pick<Places, "limit" | "waiting" | "waited"> {
    return this.#places;
  }

  /** Other limits from now on, for open connections too. */
  limit(limits: FrontLimits): void {
    const { headTimeoutMs, bodyTimeoutMs, admission } = limits;
    this.#admission = admission;
    Object.assign(this.#deps, { headTimeoutMs, bodyTimeoutMs });
    this.#places.use(limits);
    this.#look.cancel();
    this.#look = this.#lookRegularly();
  }

  /** Takes a socket that was accepted. */
  open(socket: FrontSocket, isUnix: boolean): void {
    const connection = new Connection(socket, this.#deps);
    socket.data = connection;
    noteDescriptor(DESCRIPTORS_PER_REQUEST * socket.fd);
    const refusal = this.#admission.refusal(socket, isUnix);
    if (refusal) {
      const { log } = this.#deps;
      this.#refused.add((times) =>
        log.warn(`refused a connection: ${refusal}`, { code: "NOT_ALLOWED", times }),
      );
      connection.close();
      return;
    }
    if (!isUnix) socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#connections.add(connection);
    this.#places.enter(connection, socket.fd);
  }

  /** Ends those on which no request has been at work for `idleMs`, as soon as their clients have read all. */
  retire(idleMs: number): void {
    for (const connection of this.#connections.members) connection.retire(idleMs);
  }

  /** Ends all at once. */
  abandon(): void {
    this.#look.cancel();
    for (const connection of this.#connections.members) connection.close();
    this.#places.close();
  }

  #lookRegularly(): Timer {
    const { clock, headTimeoutMs, bodyTimeoutMs } = this.#deps;
    const everyMs = Math.min(LOOK_MS, headTimeoutMs / 4, bodyTimeoutMs / 4);
    let lookedAt = clock.now();
    return clock.every(everyMs, () => {
      const now = clock.now();
      const wasAway = now - lookedAt > 2 * everyMs;
      lookedAt = now;
      // For those that nobody has noted.
      nextDescriptor();
      // When it is us who did not run, what the clients have sent meanwhile is read first.
      if (wasAway) return;
      for (const connection of this.#connections.members) connection.checkOverdue(now);
      this.#places.look();
    });
  }

  /** All connections together hold too much, or one of them does. */
  #onSpent(): FpmError {
    const { log, clientLog, buffers } = this.#deps;
    const { heldBytes: held, limitBytes: buffer_limit } = buffers;
    const code = "BUFFER_FULL";
    if (!buffers.isSpent) {
      const what = "Requests on one connection hold more than 8 MiB before their programs are asked for.";
      clientLog.warn(what, { code });
      return new FpmError(code, "daemon", what);
    }
    this.#spent.add((times) =>
      log.warn("buffer_limit reached: requests are refused", { code, held, buffer_limit, times }),
    );
    return new FpmError(code, "daemon", "Too much is held of other requests and answers.");
  }

  #onClosed(connection: Connection): void {
    // One that was refused never had a place.
    if (this.#connections.remove(connection)) this.#places.leave(connection);
  }
}
