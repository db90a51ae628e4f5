const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
const SPACE = 32;
const TAB = 9;
const ZERO = 48;
const NINE = 57;
/** Makes an ASCII letter small. */
const SMALL = 32;
const STATUS = Buffer.from("status:");
const LOCATION = Buffer.from("location:");
/** Old CGI habit: the whole HTTP header. */
const HTTP = Buffer.from("http/");
const CODE_DIGITS = 3;
const FOUND_WITHOUT_STATUS = 302;
const GOOD = 200;

/** What is known of the present line. */
const BEGIN = 0;
const NAME = 1;
const VERSION = 2;
const CODE = 3;
const SKIP = 4;

/**
 * Looks for the end of the header of an answer, its first empty line (RFC 3875 §6.2), and for the status that it says (§6.3), wherever the content is
 * cut. A byte is looked at once, and few are: of a line that says nothing of it only the beginning.
 */
export class ResponseHead {
  /** Any content has come. */
  hasBegun = false;
  isComplete = false;
  /** Of the line in progress. */
  #at = BEGIN;
  /** Nothing but a carriage return has come in the present line, and another line before it. */
  #isLineEmpty = false;
  #isFirstLine = true;
  /** What the present line may begin with, and how much of it has come. */
  #name: Uint8Array = STATUS;
  #matched = 0;
  #code = 0;
  #digits = 0;
  /** The code that a line of each kind has said; 0: it is none. */
  #statusCode: number | undefined;
  #httpCode: number | undefined;
  #hasLocation = false;

  /** The status of the answer, as a web server reads it. */
  get status(): number {
    const code = this.#statusCode ?? this.#httpCode ?? 0;
    if (code > 0) return code;
    return this.#hasLocation ? FOUND_WITHOUT_STATUS : GOOD;
  }

  /** Takes the next piece of the content of STDOUT. */
  push(chunk: Uint8Array, start: number, end: number): void {
    if (start < end) this.hasBegun = true;
    let at = start;
    while (at < end && !this.isComplete) {
      const byte = chunk[at] as number;
      if (byte === NEWLINE) this.#onNewline();
      else if (this.#at !== SKIP) this.#onByte(byte);
      else {
        const newline = chunk.indexOf(NEWLINE, at);
        at = newline === -1 ? end : newline;
        continue;
      }
      at++;
    }
  }

  #onNewline(): void {
    if (this.#isLineEmpty) this.isComplete = true;
    this.#isLineEmpty = true;
    this.#isFirstLine = false;
    this.#at = BEGIN;
  }

  #onByte(byte: number): void {
    if (this.#at === BEGIN) {
      if (byte === CARRIAGE_RETURN && this.#isLineEmpty) return;
      this.#isLineEmpty = false;
      this.#begin(byte | SMALL);
    } else if (this.#at === NAME) this.#onName(byte);
    else if (this.#at === VERSION) this.#at = byte === SPACE ? CODE : VERSION;
    else this.#onCode(byte);
  }

  #begin(letter: number): void {
    const name = letter === STATUS[0] ? STATUS : letter === LOCATION[0] ? LOCATION : HTTP;
    const isWanted = letter === name[0] && (name !== HTTP || this.#isFirstLine);
    this.#at = isWanted ? NAME : SKIP;
    this.#name = name;
    this.#matched = 1;
  }

  #onName(byte: number): void {
    const wanted = this.#name[this.#matched] as number;
    // Both of ":" and "/" have that bit.
    if ((byte | SMALL) !== wanted) this.#at = SKIP;
    else if (++this.#matched === this.#name.length) this.#onField();
  }

  #onField(): void {
    this.#code = 0;
    this.#digits = 0;
    if (this.#name === HTTP) this.#at = VERSION;
    else if (this.#name === LOCATION || this.#statusCode !== undefined) {
      this.#hasLocation ||= this.#name === LOCATION;
      this.#at = SKIP;
    } else {
      this.#statusCode = 0;
      this.#at = CODE;
    }
  }

  #onCode(byte: number): void {
    if (byte >= ZERO && byte <= NINE) {
      this.#code = 10 * this.#code + byte - ZERO;
      if (++this.#digits < CODE_DIGITS) return;
      if (this.#name === HTTP) this.#httpCode = this.#code;
      else this.#statusCode = this.#code;
      this.#at = SKIP;
    } else if (this.#digits > 0 || (byte !== SPACE && byte !== TAB)) this.#at = SKIP;
  }
}
