import type { Clock, Timer } from "../base/clock.ts";
import { nextDescriptor } from "../base/libc.ts";
import { type Linked, LinkedList } from "../base/linked-list.ts";
import type { Log } from "../base/log.ts";

/** A connection, as far as it takes a place. */
export interface Occupant extends Linked<Occupant> {
  /** It has a place: what comes on it is read from now on. */
  admit(): void;
  /** Nothing is read from it until it is admitted. */
  wait(): void;
  /** Closes it, if nothing has been at work on it for `idleMs` and its client has read all. */
  giveWay(idleMs: number): boolean;
}

/** What accepts connections. */
export interface Gate {
  /** False when it cannot be opened now: no descriptors are left. It is closed then. */
  openGate(): boolean;
  closeGate(): void;
}

export interface PlaceLimits {
  readonly maxConnections: number;
  /** So many descriptors may be open in this process. */
  readonly descriptors: number;
}

/** What places need of their surroundings. */
export interface PlacesDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly gate: Gate;
}

/**
 * So many connections are accepted above the limit, and wait. Bun can stop accepting only by giving its listener up: there must not
 * be a new one for each connection that comes while the limit is reached.
 */
const MAX_WAITING = 16;
/** Descriptors that are left for programs and files when new connections wait. */
const SPARE_DESCRIPTORS = 32;
/** And at the most this part of all. */
const MOST_SPARE = 1 / 8;
/** An idle connection gives way after this time: sooner the web server may be sending the next request on it. */
const GIVE_WAY_AFTER_MS = 1000;
/** Connections that are looked at, at the most, for one that gives way: those that come first may be unread. */
const MAX_LOOKS = 16;
/** `max_connections` was reached so often in a row that it is one episode, and one line in the log. */
const EPISODE_MS = 10_000;

/** In which connections had to wait, not longer than `EPISODE_MS` apart. */
interface Episode {
  readonly since: number;
  lastAt: number;
  times: number;
}

/**
 * How many connections are served at once, over all addresses. Who comes above that waits, first come, first served; the longest idle ones give
 * way. When many wait no more are accepted: the others wait in the backlog. The same holds when descriptors run out.
 */
export class Places {
  readonly #deps: PlacesDeps;
  readonly #waiting = new Set<Occupant>();
  /** Those that nothing is at work on, the longest idle first. */
  readonly #idle = new LinkedList<Occupant>();
  #limits: PlaceLimits;
  #taken = 0;
  #isGateOpen = true;
  #episode: Episode | undefined;
  /** Until the next idle one may give way. */
  #retry: Timer | undefined;
  #waited = 0;

  constructor(limits: PlaceLimits, deps: PlacesDeps) {
    this.#limits = limits;
    this.#deps = deps;
  }

  get limit(): number {
    return this.#limits.maxConnections;
  }

  /** Connections that wait here; more may wait in backlogs. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** How many connections had to wait, since the start. */
  get waited(): number {
    return this.#waited;
  }

  /** Other limits from now on. */
  use(limits: PlaceLimits): void {
    this.#limits = limits;
    this.#admitWaiting();
  }

  /** A connection has come, on this descriptor. */
  enter(occupant: Occupant, fd: number): void {
    const isShort = this.#isShort(fd);
    if (this.#taken < this.limit && this.#waiting.size === 0 && !isShort) {
      this.#admit(occupant);
      return;
    }
    occupant.wait();
    this.#waiting.add(occupant);
    this.#waited++;
    this.#tell(isShort);
    if (this.#waiting.size >= MAX_WAITING) this.#closeGate();
    this.#makeRoom();
  }

  /** It has been closed. */
  leave(occupant: Occupant): void {
    if (this.#waiting.delete(occupant)) {
      if (this.#waiting.size === 0) this.#openGate();
      return;
    }
    this.#idle.remove(occupant);
    this.#taken--;
    if (this.#waiting.size > 0) this.#admitWaiting();
  }

  /** Nothing is at work on it any more. */
  onIdle(occupant: Occupant): void {
    this.#idle.remove(occupant);
    this.#idle.push(occupant);
  }

  onBusy(occupant: Occupant): void {
    this.#idle.remove(occupant);
  }

  /** Done from time to time: descriptors run out, and are to be had again, without a word. */
  look(): void {
    if (this.#isShort(nextDescriptor() ?? Number.POSITIVE_INFINITY)) {
      if (this.#isGateOpen) this.#tell(true);
      this.#closeGate();
    } else this.#admitWaiting();
    const { clock, log } = this.#deps;
    const episode = this.#episode;
    if (!episode || this.#waiting.size > 0 || clock.now() - episode.lastAt < EPISODE_MS) return;
    this.#episode = undefined;
    const seconds = Math.ceil((episode.lastAt - episode.since) / 1000);
    log.info("connections wait no more", { times: episode.times, seconds });
  }

  /** Every connection has been closed. */
  close(): void {
    this.#retry?.cancel();
  }

  #admit(occupant: Occupant): void {
    this.#taken++;
    this.#idle.push(occupant);
    occupant.admit();
  }

  #admitWaiting(): void {
    for (const occupant of this.#waiting) {
      if (this.#taken >= this.limit) break;
      this.#waiting.delete(occupant);
      this.#admit(occupant);
    }
    if (this.#waiting.size > 0) this.#makeRoom();
    else this.#openGate();
  }

  /** The longest idle ones are closed for those who wait; where they are not idle for long enough, later. */
  #makeRoom(): void {
    let looks = MAX_LOOKS;
    for (let idle = this.#idle.first; idle && this.#waiting.size > 0 && looks-- > 0; ) {
      const { next } = idle;
      // Its end lets the next one in.
      idle.giveWay(GIVE_WAY_AFTER_MS);
      idle = next;
    }
    if (this.#waiting.size === 0 || this.#retry) return;
    this.#retry = this.#deps.clock.after(GIVE_WAY_AFTER_MS / 4, () => {
      this.#retry = undefined;
      if (this.#waiting.size > 0) this.#makeRoom();
    });
  }

  #isShort(fd: number): boolean {
    const { descriptors } = this.#limits;
    return fd >= descriptors - Math.min(SPARE_DESCRIPTORS, descriptors * MOST_SPARE);
  }

  #tell(isShort: boolean): void {
    const { clock, log } = this.#deps;
    const now = clock.now();
    if (this.#episode) {
      this.#episode.times++;
      this.#episode.lastAt = now;
      return;
    }
    this.#episode = { since: now, lastAt: now, times: 1 };
    const why = isShort ? "descriptors are running out" : "max_connections reached";
    log.warn(`${why}: new connections wait`, { max_connections: this.limit });
  }

  #openGate(): void {
    if (!this.#isGateOpen) this.#isGateOpen = this.#deps.gate.openGate();
  }

  #closeGate(): void {
    if (!this.#isGateOpen) return;
    this.#isGateOpen = false;
    this.#deps.gate.closeGate();
  }
}
