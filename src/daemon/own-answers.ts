import { contentPolicy } from "../base/content-policy.ts";
import type { Turns } from "../base/turns.ts";
import type { ServerConfig } from "../config/config.ts";
import { encodeStream } from "../fcgi/encoder.ts";
import type { Outcome } from "../fcgi/outcome.ts";
import { FCGI_STDOUT } from "../fcgi/protocol.ts";
import { AnswerHead } from "../relay/answer-head.ts";
import { wholeReply } from "../reply/whole-reply.ts";
import type { Pieces, StatusAnswers } from "../status/answers.ts";
import { type AskedStatus, headerOf, type OwnPages, ownPageFor } from "../status/own-page.ts";
import { HTML_STYLE } from "../status/render-html.ts";
import type { Journey } from "./journey.ts";

const ANSWERED: Outcome = { kind: "answered", appStatus: 0, protocolStatus: 0 };

/** `ping_path` and `status_path`: requests that need no program, and so are answered however busy all of them are. */
export class OwnAnswers {
  readonly #status: StatusAnswers["answer"];
  readonly #turns: Turns;
  readonly #htmlPolicy = contentPolicy([HTML_STYLE]);
  /** Undefined while there are none. */
  #pages: OwnPages | undefined;

  constructor(status: StatusAnswers["answer"], turns: Turns) {
    this.#status = status;
    this.#turns = turns;
  }

  /** These paths from now on. */
  use({ statusPath, pingPath }: ServerConfig): void {
    const isNone = statusPath === "" && pingPath === "";
    this.#pages = isNone ? undefined : { statusPath, pingPath, htmlPolicy: this.#htmlPolicy };
  }

  /** Answers the request if it is meant for us: at once, or the status in a moment; undefined: it is for a program. */
  answer(journey: Journey): Outcome | Promise<Outcome> | undefined {
    const page = this.#pages && ownPageFor(journey.client.head, this.#pages);
    if (!page) return undefined;
    const header = headerOf(page);
    const { body } = page;
    if (typeof body !== "string") return this.#answerStatus(journey, header, body);
    const response = new TextEncoder().encode(`${header}${body}`);
    journey.answer = new AnswerHead(journey.isLogged);
    endWith(response, journey);
    return ANSWERED;
  }

  async #answerStatus(journey: Journey, header: string, { form, isFull }: AskedStatus): Promise<Outcome> {
    const pieces = await this.#status(form, isFull);
    journey.answer = new AnswerHead(journey.isLogged);
    return await this.#turns.run(sending(journey, header, pieces));
  }
}

/** Hands the answer on in steps. */
function* sending(journey: Journey, header: string, pieces: Pieces): Generator<void, Outcome> {
  const { client } = journey;
  const { requestId } = client.head;
  const [first = new Uint8Array(), ...others] = pieces;
  let piece = Buffer.concat([Buffer.from(header), first]) as Uint8Array;
  for (const next of others) {
    if (client.isGone) break;
    journey.answer?.push(piece, 0, piece.length);
    const records = encodeStream(FCGI_STDOUT, requestId, piece, false);
    client.respond(records, 0, records.length);
    piece = next;
    yield;
  }
  if (client.isGone) return { kind: "client-left" };
  endWith(piece, journey);
  return ANSWERED;
}

/** The last piece of an answer, or all of it. */
function endWith(piece: Uint8Array, { client, answer }: Journey): void {
  answer?.push(piece, 0, piece.length);
  const reply = wholeReply(client.head.requestId, piece);
  client.respond(reply, 0, reply.length);
  client.complete();
}
