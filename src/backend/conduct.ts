/** So many returns in a row without delay, and a program is trusted again. */
const QUICK_RETURNS = 1000;
/** A return that takes no longer is one without delay. */
const QUICK_MS = 5;
/** How long the end of a plain CGI process is awaited, at the least and at the most, and of a program whose processes usually take no longer than this. */
const LEAST_AWAITED_MS = 5;
const MOST_AWAITED_MS = 100;
const SHORT_RUN_MS = 50;
/** How much the last run counts in what is usual. */
const RUN_WEIGHT = 1 / 8;
/** A process that prints more than a pipe holds (pipe(7)) waits for whoever reads: how long it took says nothing. */
const PIPE_BYTES = 64 * 1024;
/** One long run among short ones is forgotten soon. */
const MOST_RUN_MS = 200;

/**
 * How the processes of one program behave on their connections, as far as it was seen: what the specification leaves open, and
 * what a program makes of it. Plain facts; where a method answers, it tells whether they are news.
 */
export class Conduct {
  /** It has answered a request under an id other than 1: it says whatever id it was given. */
  #echoesIds = false;
  /** It has answered under another id than it was given. */
  #ignoresIds = false;
  #answersEarly = false;
  #quickReturns = 0;
  #hasStaleRecords = false;
  #isForkTold = false;
  #hasMixedRecords = false;
  #diesOfSilence = false;
  /** How long its plain CGI processes take, a moving mean in milliseconds; undefined before the first. */
  #usualRunMs: number | undefined;

  /** Whether a connection to it may carry one request after the other. */
  get keepsConnections(): boolean {
    return !this.#ignoresIds && !this.#answersEarly && !this.#isShared;
  }

  /** Whether children of its processes write into connections: also into the middle of records that are longer than what the kernel takes at once. */
  get #isShared(): boolean {
    return this.#hasMixedRecords || (this.#hasStaleRecords && this.#echoesIds);
  }

  /** Whether it is known to answer under the id that it was given. */
  get echoesIds(): boolean {
    return this.#echoesIds;
  }

  /** Whether its processes go on after END_REQUEST, so that they are free only when they are seen to accept a connection. */
  get answersEarly(): boolean {
    return this.#answersEarly;
  }

  /** Whether a process ends when a connection is closed that has brought no byte: the one by which its accept() is noticed stays open for its next request. */
  get diesOfSilence(): boolean {
    return this.#diesOfSilence;
  }

  /**
   * How long the end of a plain CGI process is awaited, when all of its output is read at once, before that is read as it comes: which costs as much as
   * the rest of a short request. About twice of what is usual, where that is short: whoever waits for its first byte does so for no longer.
   */
  get awaitEndMs(): number {
    const usualMs = this.#usualRunMs ?? Number.POSITIVE_INFINITY;
    if (usualMs > SHORT_RUN_MS) return LEAST_AWAITED_MS;
    return Math.min(MOST_AWAITED_MS, Math.max(LEAST_AWAITED_MS, 2 * usualMs));
  }

  /** A plain CGI process has taken `ms` for its output of so many bytes. */
  onRan(ms: number, bytes: number): void {
    const ranMs = bytes > PIPE_BYTES ? MOST_RUN_MS : Math.min(ms, MOST_RUN_MS);
    const usualMs = this.#usualRunMs ?? ranMs;
    this.#usualRunMs = usualMs + (ranMs - usualMs) * RUN_WEIGHT;
  }

  /** A process has ended by itself right after such a connection was closed. True when that is known for the first time. */
  onDiedOfSilence(): boolean {
    const isNew = !this.#diesOfSilence;
    this.#diesOfSilence = true;
    return isNew;
  }

  /** A request with an id above 1 was answered under that id. True when it is known now that children of it write to its connections. */
  onEcho(): boolean {
    this.#echoesIds = true;
    return this.#isForkNews();
  }

  /** It has finished a request and answered under an id that an earlier one had. True the first time. */
  onIgnoredId(): boolean {
    const isNews = !this.#ignoresIds;
    this.#ignoresIds = true;
    return isNews;
  }

  /** A record of an earlier request came on a connection. True when it is known now that children of it write to its connections. */
  onStaleRecord(): boolean {
    this.#hasStaleRecords = true;
    return this.#isForkNews();
  }

  /** What came on a connection that had served other requests was no answer. True the first time. */
  onMixedRecords(): boolean {
    const isNews = !this.#hasMixedRecords && !this.#isForkTold;
    this.#hasMixedRecords = true;
    this.#isForkTold = true;
    return isNews;
  }

  /** A process that had answered its last request was at something else when it got the next one. True when that is news. */
  onAnsweredEarly(): boolean {
    const isNews = !this.#answersEarly;
    this.#answersEarly = true;
    this.#quickReturns = 0;
    return isNews;
  }

  /** A process that was on its own for `ms` has come back. */
  onBack(ms: number): void {
    this.#quickReturns = ms <= QUICK_MS ? this.#quickReturns + 1 : 0;
    if (this.#quickReturns >= QUICK_RETURNS) this.#answersEarly = false;
  }

  /** Another version of the program: what was learned of the one before says nothing of it. */
  forget(): void {
    this.#echoesIds = false;
    this.#ignoresIds = false;
    this.#answersEarly = false;
    this.#quickReturns = 0;
    this.#hasStaleRecords = false;
    this.#isForkTold = false;
    this.#hasMixedRecords = false;
    this.#diesOfSilence = false;
    this.#usualRunMs = undefined;
  }

  /** Such records say nothing of children while the program may be one that calls every request by the same number. */
  #isForkNews(): boolean {
    if (this.#isForkTold || !this.#hasStaleRecords || !this.#echoesIds) return false;
    this.#isForkTold = true;
    return true;
  }
}
