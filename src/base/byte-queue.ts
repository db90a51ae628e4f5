import type { ByteBudget } from "./byte-budget.ts";

/** Above this many pieces a queue is joined into one, so that bytes that trickle in cannot cost an object each. */
const MAX_PIECES = 64;
/** A small part of a larger chunk than this is copied: as a reference it would keep all of the chunk. */
const COPY_ABOVE = 16 * 1024;
const SMALL_PART = 1 / 4;

/** Takes bytes and says how many it took, like Bun's `socket.write`: fewer when full, -1 when closed. */
export type WriteBytes = (bytes: Uint8Array) => number;

/**
 * Bytes waiting in order, as references into the chunks they came in: nothing is copied but small parts of large chunks. Neighbouring
 * pieces of one chunk become one. The owner keeps the limit: see `bytes`.
 */
export class ByteQueue {
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  readonly #budget: ByteBudget | undefined;

  /** What waits here is held of `budget`: its owner must end with `clear()`. */
  constructor(budget?: ByteBudget) {
    this.#budget = budget;
  }

  /** How many bytes wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds `chunk[start, end)`; the chunk must not change any more. */
  push(chunk: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    this.#bytes += end - start;
    this.#budget?.hold(end - start);
    const last = this.#pieces.at(-1);
    const offset = chunk.byteOffset + start;
    if (last && last.buffer === chunk.buffer && last.byteOffset + last.length === offset) {
      const joined = new Uint8Array(chunk.buffer, last.byteOffset, last.length + end - start);
      this.#pieces[this.#pieces.length - 1] = joined;
      return;
    }
    this.#pieces.push(partOf(chunk, start, end));
    if (this.#pieces.length > MAX_PIECES) this.join();
  }

  /** Hands every piece to `onPiece`, in order; the queue stays as it is. */
  visit(onPiece: (piece: Uint8Array) => void): void {
    for (const piece of this.#pieces) onPiece(piece);
  }

  /** All bytes as one array: the piece itself when there is one, otherwise a copy that takes the pieces' place. */
  join(): Uint8Array {
    const only = this.#pieces[0];
    if (only && this.#pieces.length === 1) return only;
    const joined = new Uint8Array(this.#bytes);
    let offset = 0;
    for (const piece of this.#pieces) {
      joined.set(piece, offset);
      offset += piece.length;
    }
    this.#pieces = this.#bytes === 0 ? [] : [joined];
    return joined;
  }

  /** Writes as much as `write` takes and drops that. False when `write` said that it is closed. */
  drainTo(write: WriteBytes): boolean {
    let done = 0;
    let open = true;
    for (const piece of this.#pieces) {
      const taken = write(piece);
      if (taken < 0) open = false;
      if (taken > 0) {
        this.#bytes -= taken;
        this.#budget?.release(taken);
      }
      if (taken < piece.length) {
        if (taken > 0) this.#pieces[done] = partOf(piece, taken, piece.length);
        break;
      }
      done++;
    }
    this.#pieces.splice(0, done);
    return open;
  }

  /** Forgets everything. */
  clear(): void {
    this.#pieces = [];
    this.#budget?.release(this.#bytes);
    this.#bytes = 0;
  }
}

function partOf(chunk: Uint8Array, start: number, end: number): Uint8Array {
  if (start === 0 && end === chunk.length) return chunk;
  // What is kept of the buffer that the chunk lies in, at the least.
  const kept = chunk.byteOffset + chunk.length;
  const isSmall = kept > COPY_ABOVE && end - start < kept * SMALL_PART;
  return isSmall ? chunk.slice(start, end) : chunk.subarray(start, end);
}
