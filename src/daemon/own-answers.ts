import { contentPolicy } from "../base/content-policy.ts";
import type { ServerConfig } from "../config/config.ts";
import type { Outcome } from "../fcgi/outcome.ts";
import { AnswerHead } from "../relay/answer-head.ts";
import { wholeReply } from "../reply/whole-reply.ts";
import { type OwnPages, ownPageFor, responseOf } from "../status/own-page.ts";
import { HTML_STYLE } from "../status/render-html.ts";
import type { Journey } from "./journey.ts";

const ANSWERED: Outcome = { kind: "answered", appStatus: 0, protocolStatus: 0 };

/** `ping_path` and `status_path`: requests that need no program, and so are answered however busy all of them are. */
export class OwnAnswers {
  readonly #snapshot: OwnPages["snapshot"];
  readonly #htmlPolicy = contentPolicy([HTML_STYLE]);
  /** Undefined while there are none. */
  #pages: OwnPages | undefined;

  constructor(snapshot: OwnPages["snapshot"]) {
    this.#snapshot = snapshot;
  }

  /** These paths from now on. */
  use({ statusPath, pingPath }: ServerConfig): void {
    const [snapshot, htmlPolicy] = [this.#snapshot, this.#htmlPolicy];
    const isNone = statusPath === "" && pingPath === "";
    this.#pages = isNone ? undefined : { statusPath, pingPath, snapshot, htmlPolicy };
  }

  /** Answers the request if it is meant for us; undefined: it is for a program. */
  answer(journey: Journey): Outcome | undefined {
    const { client, isLogged } = journey;
    const page = this.#pages && ownPageFor(client.head, this.#pages);
    if (!page) return undefined;
    const response = new TextEncoder().encode(responseOf(page));
    journey.answer = new AnswerHead(isLogged);
    journey.answer.push(response, 0, response.length);
    const reply = wholeReply(client.head.requestId, response);
    client.respond(reply, 0, reply.length);
    client.complete();
    return ANSWERED;
  }
}
