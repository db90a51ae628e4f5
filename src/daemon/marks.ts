import { readInto } from "../base/bounded-read.ts";
import { INSTANCE_VARIABLE } from "../start/instance-variable.ts";

/** The mark is the first variable that we pass on; only who writes the environment anew, as a shell does, puts it elsewhere. */
const FIRST_BYTES = 64 * 1024;
/** As long as execve(2) usually lets an environment be, together with the arguments. */
const MOST_BYTES = 2 * 1024 * 1024;
/** What is read beyond the first bytes, of all processes: many whose environments seem to be long would hold everybody up. */
const MOST_FURTHER_BYTES = 32 * 1024 * 1024;

/** A look at processes for the mark of an instance in their environments. */
export class MarkLook {
  readonly #mark: Buffer;
  #buffer = Buffer.alloc(FIRST_BYTES);
  #furtherBytes = MOST_FURTHER_BYTES;

  constructor(instance: string) {
    this.#mark = Buffer.from(`\0${INSTANCE_VARIABLE}=${instance}\0`);
  }

  /** Not if it has gone, or is somebody else's. */
  finds(pid: number): boolean {
    const path = `/proc/${pid}/environ`;
    const end = readInto(this.#buffer.subarray(0, FIRST_BYTES), path);
    if (this.#isIn(end)) return true;
    if (end < FIRST_BYTES || this.#furtherBytes <= 0) return false;
    if (this.#buffer.length < MOST_BYTES) this.#buffer = Buffer.alloc(MOST_BYTES);
    const whole = readInto(this.#buffer, path);
    this.#furtherBytes -= whole;
    return this.#isIn(whole);
  }

  #isIn(end: number): boolean {
    const read = this.#buffer.subarray(0, end);
    const isFirst = read.subarray(0, this.#mark.length - 1).equals(this.#mark.subarray(1));
    return isFirst || read.includes(this.#mark);
  }
}
