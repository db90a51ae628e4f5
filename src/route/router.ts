import type { AppFor } from "../config/config.ts";
import type { RequestHead } from "../fcgi/head.ts";
import { FCGI_AUTHORIZER } from "../fcgi/protocol.ts";
import type { Program } from "../start/program.ts";
import { PathRouter, type Route, type RouterDisk } from "./path-router.ts";

/** From a request's head to the program that serves it. What is asked whether somebody may see a path is another program than what shows it. */
export class Router {
  readonly #responders: PathRouter;
  readonly #authorizers: PathRouter;

  constructor(appFor: AppFor, disk: RouterDisk, authorizerFor: AppFor = appFor) {
    this.#responders = new PathRouter("responder", appFor, disk);
    this.#authorizers = new PathRouter("authorizer", authorizerFor, disk);
  }

  /** Settings for paths are asked anew from now on. */
  reload(appFor: AppFor, authorizerFor: AppFor = appFor): void {
    this.#responders.reload(appFor);
    this.#authorizers.reload(authorizerFor);
  }

  /**
   * Where a request goes that asks at `now`, which is the present where it is not told: a promise only where the disk must be asked.
   * @throws FpmError SCRIPT_MISSING, SCRIPT_INVALID, SCRIPT_NOT_FOUND, SCRIPT_FORBIDDEN.
   */
  route(head: RequestHead, now?: number): Route | Promise<Route> {
    return (head.role === FCGI_AUTHORIZER ? this.#authorizers : this.#responders).route(head, now);
  }

  /** Whether the settings of what a request may go to say `spool = "never"`, as far as its path tells. */
  isStreamed(head: RequestHead): boolean {
    return head.role !== FCGI_AUTHORIZER && this.#responders.isStreamed(head);
  }

  /** The program that a request for this path would go to. @throws FpmError SCRIPT_INVALID, SCRIPT_NOT_FOUND, SCRIPT_FORBIDDEN. */
  find(path: string): Promise<Program> {
    return this.#responders.find(path);
  }

  /** The program that a pool was made for as the settings have it now; undefined where they have it no longer. */
  findAgain(known: Program): Promise<Program | undefined> {
    return (known.role === "authorizer" ? this.#authorizers : this.#responders).findAgain(known);
  }
}
