import type { ByteBudget } from "./byte-budget.ts";

/** Above this many pieces a queue is joined into one, so that bytes that trickle in cannot cost an object each. */
const MAX_PIECES = 64;
/** A small part of a larger chunk than this is copied: as a reference it would keep all of the chunk. */
const COPY_ABOVE = 16 * 1024;
const SMALL_PART = 1 / 4;
const NO_BYTES = new Uint8Array(0);

/** What takes bytes as they come: `chunk[start, end)`. */
export interface ByteTarget {
  push(chunk: Uint8Array, start: number, end: number): void;
}

/** The part of a Bun socket that takes bytes. */
export interface WritableSocket {
  /** Bytes taken: fewer than given when the kernel's buffer is full, -1 when closed. */
  write(bytes: Uint8Array): number;
}

/**
 * Bytes waiting in order, as references into the chunks they came in: nothing is copied but small parts of large chunks. Neighbouring
 * pieces of one chunk become one, and one piece costs no object. The owner keeps the limit: see `bytes`.
 */
export class ByteQueue {
  /** All pieces but the last; undefined while there was only ever one. */
  #earlier: Uint8Array[] | undefined;
  /** The last piece is `#chunk[#start, #end)`. */
  #chunk: Uint8Array = NO_BYTES;
  #start = 0;
  #end = 0;
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
    if (chunk === this.#chunk && start === this.#end) this.#end = end;
    else {
      if (this.#bytes > 0) this.#stow();
      this.#setLast(chunk, start, end);
    }
    this.#bytes += end - start;
    this.#budget?.hold(end - start);
  }

  /** Gives every piece to `target`, in order; the queue stays as it is. */
  feed(target: ByteTarget): void {
    if (this.#earlier) for (const piece of this.#earlier) target.push(piece, 0, piece.length);
    if (this.#start < this.#end) target.push(this.#chunk, this.#start, this.#end);
  }

  /** Hands every piece, `chunk[start, end)`, to `onPiece`, in order; the queue stays as it is. */
  visit(onPiece: (chunk: Uint8Array, start: number, end: number) => void): void {
    if (this.#earlier) for (const piece of this.#earlier) onPiece(piece, 0, piece.length);
    if (this.#start < this.#end) onPiece(this.#chunk, this.#start, this.#end);
  }

  /** All bytes as one array: a part of the chunk when there is one piece, otherwise a copy that takes the pieces' place. */
  join(): Uint8Array {
    this.gather();
    return partOf(this.#chunk, this.#start, this.#end);
  }

  /** All bytes at once, `chunk[start, end)`, as `read` makes something of them. */
  read<Value>(read: (chunk: Uint8Array, start: number, end: number) => Value): Value {
    this.gather();
    return read(this.#chunk, this.#start, this.#end);
  }

  /** Makes one piece of several, which copies them. */
  gather(): void {
    if (!this.#earlier || this.#earlier.length === 0) return;
    const joined = new Uint8Array(this.#bytes);
    let offset = 0;
    this.visit((chunk, start, end) => {
      joined.set(chunk.subarray(start, end), offset);
      offset += end - start;
    });
    this.#earlier = undefined;
    this.#setLast(joined, 0, joined.length);
  }

  /** The first piece: more bytes may follow it. */
  get first(): Uint8Array {
    return this.#earlier?.[0] ?? partOf(this.#chunk, this.#start, this.#end);
  }

  /** Drops so many bytes of the first piece. */
  dropFirst(bytes: number): void {
    let taken = bytes;
    this.drainTo({
      write() {
        const now = taken;
        taken = 0;
        return now;
      },
    });
  }

  /** Writes as much as the socket takes and drops that. False when it is closed. */
  drainTo(socket: WritableSocket): boolean {
    const earlier = this.#earlier;
    if (earlier && earlier.length > 0) {
      const isOpen = this.#drainEarlier(earlier, socket);
      if (earlier.length > 0) return isOpen;
    }
    if (this.#start === this.#end) return true;
    const taken = socket.write(partOf(this.#chunk, this.#start, this.#end));
    if (taken > 0) {
      this.#drop(taken);
      this.#setLast(this.#chunk, this.#start + taken, this.#end);
    }
    return taken >= 0;
  }

  /** Forgets everything. */
  clear(): void {
    if (this.#bytes === 0) return;
    const bytes = this.cede();
    this.#budget?.release(bytes);
  }

  /** Forgets everything but what is held of the budget, which is the caller's to release: so many bytes. */
  cede(): number {
    const bytes = this.#bytes;
    this.#bytes = 0;
    this.#earlier = undefined;
    // As arguments of #setLast the runtime compiled these again and again (Bun 1.4.5).
    this.#chunk = NO_BYTES;
    this.#start = 0;
    this.#end = 0;
    return bytes;
  }

  #drainEarlier(earlier: Uint8Array[], socket: WritableSocket): boolean {
    let done = 0;
    let taken = 0;
    for (const piece of earlier) {
      taken = socket.write(piece);
      if (taken > 0) this.#drop(taken);
      if (taken < piece.length) {
        if (taken > 0) earlier[done] = keepable(piece, taken, piece.length);
        break;
      }
      done++;
    }
    earlier.splice(0, done);
    return taken >= 0;
  }

  /** Another piece comes after the last one. */
  #stow(): void {
    if (this.#earlier?.length === MAX_PIECES) this.gather();
    this.#earlier ??= [];
    this.#earlier.push(partOf(this.#chunk, this.#start, this.#end));
  }

  #setLast(chunk: Uint8Array, start: number, end: number): void {
    if (start === end) {
      this.#chunk = NO_BYTES;
      this.#start = 0;
      this.#end = 0;
    } else if (isSmallPart(chunk, start, end)) {
      this.#chunk = chunk.slice(start, end);
      this.#start = 0;
      this.#end = end - start;
    } else {
      this.#chunk = chunk;
      this.#start = start;
      this.#end = end;
    }
  }

  #drop(bytes: number): void {
    this.#bytes -= bytes;
    this.#budget?.release(bytes);
  }
}

function partOf(chunk: Uint8Array, start: number, end: number): Uint8Array {
  return start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
}

function keepable(chunk: Uint8Array, start: number, end: number): Uint8Array {
  return isSmallPart(chunk, start, end) ? chunk.slice(start, end) : chunk.subarray(start, end);
}

/** Whether it would keep much more than itself: all of the buffer that the chunk lies in. */
function isSmallPart(chunk: Uint8Array, start: number, end: number): boolean {
  const kept = chunk.byteOffset + chunk.length;
  return kept > COPY_ABOVE && end - start < kept * SMALL_PART;
}
