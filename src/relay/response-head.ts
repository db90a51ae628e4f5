const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

/** Looks for the end of the header of an answer: its first empty line (RFC 3875 §6.2), wherever the content is cut. */
export class ResponseHead {
  /** Any content has come. */
  hasBegun = false;
  isComplete = false;
  /** Nothing but a carriage return has come in the present line, and another line before it. */
  #isLineEmpty = false;

  /** Takes the next piece of the content of STDOUT. */
  push(chunk: Uint8Array, start: number, end: number): void {
    if (start < end) this.hasBegun = true;
    for (let at = start; at < end && !this.isComplete; at++) {
      const byte = chunk[at];
      if (byte !== NEWLINE) this.#isLineEmpty = this.#isLineEmpty && byte === CARRIAGE_RETURN;
      else if (this.#isLineEmpty) this.isComplete = true;
      else this.#isLineEmpty = true;
    }
  }
}
