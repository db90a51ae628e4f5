import type { HttpAnswer } from "./http-exchange.ts";

/** How a body can end by itself. */
export interface HttpBody {
  end: "complete" | "until-close" | "aborted";
}

const CRLF = Buffer.from("\r\n");
const HEAD_END = Buffer.from("\r\n\r\n");

/** Reads one HTTP/1.1 response from chunks as they come. */
export class HttpResponseReader {
  status = 0;
  headers = new Headers();
  bodyLength = 0;
  isComplete = false;
  readonly #isHead: boolean;
  readonly #onBody: ((chunk: Uint8Array) => void) | undefined;
  readonly #kept: Uint8Array[] = [];
  #unread: Buffer = Buffer.alloc(0);
  /** Bytes of the body (or of the current chunk) still to come; undefined while that is unknown. */
  #remaining: number | undefined;
  #framing: "head" | "length" | "chunk-size" | "chunk" | "chunk-end" | "trailer" | "close" = "head";

  constructor(isHead: boolean, onBody?: (chunk: Uint8Array) => void) {
    this.#isHead = isHead;
    this.#onBody = onBody;
  }

  /** Takes the next bytes. Throws when they are no HTTP. */
  take(chunk: Uint8Array): void {
    if (this.#framing === "close") {
      this.#body(chunk);
      return;
    }
    this.#unread = this.#unread.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#unread, chunk]);
    while (!this.isComplete && this.#step()) {}
  }

  /** What the end of the connection means here. */
  endOfConnection(): HttpBody["end"] {
    if (this.isComplete) return "complete";
    return this.#framing === "close" ? "until-close" : "aborted";
  }

  answer(end: HttpAnswer["end"]): HttpAnswer {
    const body = Buffer.concat(this.#kept);
    const { status, headers, bodyLength } = this;
    return { status, headers, body, bodyLength, end, text: () => body.toString() };
  }

  // One step of the parsing; false when more bytes are needed.
  #step(): boolean {
    switch (this.#framing) {
      case "head":
        return this.#head();
      case "chunk-size":
      case "chunk-end":
      case "trailer":
        return this.#line();
      case "close":
        this.#body(this.#cut(this.#unread.length));
        return false;
      default:
        return this.#counted();
    }
  }

  #head(): boolean {
    const end = this.#unread.indexOf(HEAD_END);
    if (end < 0) return false;
    const [statusLine = "", ...lines] = this.#cut(end + 4)
      .toString("latin1")
      .trimEnd()
      .split("\r\n");
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1];
    if (status === undefined) throw new Error(`not an HTTP status line: ${statusLine}`);
    if (status === "100") return true;
    this.status = Number(status);
    for (const line of lines) {
      const colon = line.indexOf(":");
      this.headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
    }
    const length = this.headers.get("content-length");
    if (this.#isHead || status === "204" || status === "304") this.isComplete = true;
    else if (this.headers.get("transfer-encoding") === "chunked") this.#framing = "chunk-size";
    else if (length === null) this.#framing = "close";
    else {
      this.#framing = "length";
      this.#remaining = Number(length);
      this.isComplete = this.#remaining === 0;
    }
    return true;
  }

  #counted(): boolean {
    const remaining = this.#remaining ?? 0;
    const length = Math.min(this.#unread.length, remaining);
    if (length === 0) return false;
    this.#body(this.#cut(length));
    this.#remaining = remaining - length;
    if (this.#remaining > 0) return true;
    if (this.#framing === "length") this.isComplete = true;
    else this.#framing = "chunk-end";
    return true;
  }

  #line(): boolean {
    const end = this.#unread.indexOf(CRLF);
    if (end < 0) return false;
    const line = this.#cut(end + 2)
      .subarray(0, end)
      .toString("latin1");
    if (this.#framing === "chunk-end") this.#framing = "chunk-size";
    else if (this.#framing === "trailer") this.isComplete = line === "";
    else {
      this.#remaining = Number.parseInt(line, 16);
      if (Number.isNaN(this.#remaining)) throw new Error(`not a chunk size: ${line}`);
      this.#framing = this.#remaining === 0 ? "trailer" : "chunk";
    }
    return true;
  }

  #cut(length: number): Buffer {
    const cut = this.#unread.subarray(0, length);
    this.#unread = this.#unread.subarray(length);
    return cut;
  }

  #body(bytes: Uint8Array): void {
    this.bodyLength += bytes.length;
    if (this.#onBody) this.#onBody(bytes);
    else this.#kept.push(bytes);
  }
}
