import { contentLengthAt, FCGI_HEADER_LEN } from "./protocol.ts";

/**
 * Gives the records of one stream another request id, in place, wherever the stream is cut (specification §3.3). A request
 * has an id of its own on its connection to a program; the web server's is the web server's.
 */
export class Renumber {
  #id = 0;
  /** Bytes of the header in progress that have come. */
  #headerBytes = 0;
  /** Content and padding of the record in progress, as far as its header has told. */
  #left = 0;

  /** A stream of another request begins. */
  begin(requestId: number): void {
    this.#id = requestId;
    this.#headerBytes = 0;
    this.#left = 0;
  }

  /** Changes the headers in `chunk[start, end)`, the next bytes of the stream. */
  push(chunk: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end) {
      if (this.#headerBytes === 0 && this.#left > 0) {
        const skipped = Math.min(this.#left, end - at);
        this.#left -= skipped;
        at += skipped;
      } else if (this.#headerBytes === 0 && end - at >= FCGI_HEADER_LEN) {
        chunk[at + 2] = this.#id >>> 8;
        chunk[at + 3] = this.#id;
        this.#left = contentLengthAt(chunk, at) + (chunk[at + 6] as number);
        at += FCGI_HEADER_LEN;
      } else this.#onHeaderByte(chunk, at++);
    }
  }

  /** A header that straddles chunks, byte by byte. */
  #onHeaderByte(chunk: Uint8Array, at: number): void {
    const byte = chunk[at] as number;
    switch (this.#headerBytes++) {
      case 2:
        chunk[at] = this.#id >>> 8;
        break;
      case 3:
        chunk[at] = this.#id;
        break;
      case 4:
        this.#left = byte << 8;
        break;
      case 5:
        this.#left |= byte;
        break;
      case 6:
        this.#left += byte;
        break;
      case FCGI_HEADER_LEN - 1:
        this.#headerBytes = 0;
    }
  }
}
