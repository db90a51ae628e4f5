/**
 * How the processes of one program behave on their connections, as far as it was seen: what the specification leaves open, and
 * what a program makes of it. Plain facts; each `on…` tells whether it is news.
 */
export class Conduct {
  /** It has answered a request under an id other than 1: it says whatever id it was given. */
  #echoesIds = false;
  /** It has answered under another id than it was given. */
  #ignoresIds = false;
  #hasStaleRecords = false;
  #isForkTold = false;

  /** Whether a connection to it may carry one request after the other. */
  get keepsConnections(): boolean {
    return !this.#ignoresIds;
  }

  /** Whether it is known to answer under the id that it was given. */
  get echoesIds(): boolean {
    return this.#echoesIds;
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

  /** Such records say nothing of children while the program may be one that calls every request by the same number. */
  #isForkNews(): boolean {
    if (this.#isForkTold || !this.#hasStaleRecords || !this.#echoesIds) return false;
    this.#isForkTold = true;
    return true;
  }
}
