import type { Clock, Timer } from "../base/clock.ts";
import { FpmError, messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { RareLine } from "../base/rare-line.ts";

/** How the log says that something is not as it should be, that this was mended, and that it is over by itself. */
export interface Loss {
  readonly what: string;
  readonly mended: string;
  readonly isBack: string;
}

const REMOVED: Loss = { what: "was removed or replaced", mended: "made again", isBack: "is there again" };

/** Something of ours on the disk that somebody else may remove. */
export interface Kept {
  /** What the log calls it. */
  readonly name: string;
  /** What becomes of it when that is not removal. */
  readonly loss?: Loss;
  /** Whether requests are in vain without it. */
  readonly isForRequests: boolean;
  /** Whether there is any use in trying again. */
  readonly isOurs: boolean;
  /** Whether it is there and ours: a few calls of stat(2). */
  readonly isIntact: boolean;
  /** Makes it again; what somebody else has there stays. @throws FpmError, or the system's error. */
  remake(): void;
}

export interface UpkeepDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** In the order in which they are made. */
  readonly kept: readonly Kept[];
  /** Has processes leave that cannot be connected to any more, and gives their number. */
  retireUnreachable(): number;
  /** Whether they are ours to mend at present: not while std-fpm stops or hands over. */
  isWanted(): boolean;
}

/** How often is looked; it takes some 20 µs. */
const LOOK_MS = 500;
/** How often it is tried again in vain: to see whether somebody answers on a socket, it must be connected to. */
const RETRY_MS = 5000;

interface Trouble {
  readonly why: string;
  retryAt: number;
}

/**
 * Looks after the runtime folder and the files of sockets: what somebody removes is made again, and told once. Requests at work notice nothing;
 * web servers that come anew are refused by the system until then.
 */
export class Upkeep {
  readonly #deps: UpkeepDeps;
  /** What could not be made again. */
  readonly #troubles = new Map<Kept, Trouble>();
  readonly #remade = new Map<Kept, RareLine>();
  readonly #replaced: RareLine;
  #timer: Timer | undefined;

  constructor(deps: UpkeepDeps) {
    this.#deps = deps;
    this.#replaced = new RareLine(deps.clock);
  }

  /** Looks regularly from now on, until `end`. */
  begin(): void {
    this.#timer ??= this.#deps.clock.every(LOOK_MS, () => this.look());
  }

  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Why requests are in vain at this moment; undefined: they are not. */
  get problem(): string | undefined {
    const lost = this.#deps.kept.find(({ isForRequests, isIntact }) => isForRequests && !isIntact);
    if (!lost) return undefined;
    const { name, loss: { what, mended } = REMOVED } = lost;
    const why = this.#troubles.get(lost)?.why;
    return `${name} ${what}${why === undefined ? "" : ` and cannot be ${mended}: ${why}`}`;
  }

  /** Makes again what is not there. Never throws. */
  look(): void {
    if (!this.#deps.isWanted()) return;
    this.mend();
    const processes = this.#deps.retireUnreachable();
    if (processes === 0) return;
    this.#replaced.add((times) =>
      this.#deps.log.warn("the sockets of processes were removed: others take their place", {
        processes,
        times,
      }),
    );
  }

  /** The same, but for the processes. */
  mend(): void {
    if (!this.#deps.isWanted()) return;
    for (const kept of this.#deps.kept) {
      if (!kept.isIntact) this.#remake(kept);
      else if (this.#troubles.delete(kept))
        this.#deps.log.warn(`${kept.name} ${(kept.loss ?? REMOVED).isBack}`);
    }
  }

  #remake(kept: Kept): void {
    const { clock, log } = this.#deps;
    const { name, loss: { what, mended } = REMOVED } = kept;
    const trouble = this.#troubles.get(kept);
    const now = clock.now();
    if (trouble && now < trouble.retryAt) return;
    try {
      kept.remake();
      if (this.#troubles.delete(kept)) log.warn(`${name} could be ${mended}`);
      else this.#lineOf(kept).add((times) => log.warn(`${name} ${what}: ${mended}`, { times }));
    } catch (error) {
      const why = messageOf(error);
      if (trouble) trouble.retryAt = now + RETRY_MS;
      else {
        this.#troubles.set(kept, { why, retryAt: kept.isOurs ? now + RETRY_MS : Number.POSITIVE_INFINITY });
        const remedy = kept.isOurs ? ` It is tried again every ${RETRY_MS / 1000} s.` : "";
        const code = error instanceof FpmError ? error.code : undefined;
        log.error(`${name} ${what} and cannot be ${mended}: ${why}${remedy}`, { code });
      }
    }
  }

  /** Somebody may remove it again and again. */
  #lineOf(kept: Kept): RareLine {
    const line = this.#remade.get(kept) ?? new RareLine(this.#deps.clock);
    this.#remade.set(kept, line);
    return line;
  }
}
