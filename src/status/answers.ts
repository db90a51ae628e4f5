import type { Turns } from "../base/turns.ts";
import { collecting, type StatusSource } from "./collect.ts";
import { FORMS, type FormName } from "./forms.ts";

/** A text of any length in UTF-8: its pieces in their order, one at the least, of a few dozen KiB each. */
export type Pieces = readonly Uint8Array[];

/** Of so many characters a piece is made. */
const PIECE_LENGTH = 32 * 1024;

/**
 * What is answered about the status. However many programs there are, an answer is made in turns, one after the other. Who asks for what is still to be
 * made for somebody else gets the same: no more wait to be made than there are forms.
 */
export class StatusAnswers {
  readonly #source: () => StatusSource;
  readonly #turns: Turns;
  /** Those that were asked for and are not begun, by form. */
  readonly #awaited = new Map<string, Promise<Pieces>>();

  constructor(source: () => StatusSource, turns: Turns) {
    this.#source = source;
    this.#turns = turns;
  }

  /** The status of a moment that is still to come, or of now; with `isFull` every process is listed. */
  answer(form: FormName, isFull: boolean): Promise<Pieces> {
    const key = `${form} ${isFull}`;
    const awaited = this.#awaited.get(key);
    if (awaited) return awaited;
    let hasBegun = false;
    const onBegin = () => {
      hasBegun = true;
      this.#awaited.delete(key);
    };
    const answer = this.#turns.run(this.#making(form, isFull, onBegin));
    if (!hasBegun) this.#awaited.set(key, answer);
    return answer;
  }

  *#making(form: FormName, isFull: boolean, onBegin: () => void): Generator<void, Pieces> {
    onBegin();
    const snapshot = yield* collecting(this.#source(), isFull);
    const encoder = new TextEncoder();
    const pieces: Uint8Array[] = [];
    let text = "";
    for (const part of FORMS[form].pieces(snapshot)) {
      text += part;
      if (text.length >= PIECE_LENGTH) {
        pieces.push(encoder.encode(text));
        text = "";
      }
      yield;
    }
    pieces.push(encoder.encode(text));
    return pieces;
  }
}
