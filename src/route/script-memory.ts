import { remember } from "../base/remembering.ts";
import type { RequestHead } from "../fcgi/head.ts";

/** So many are remembered, … */
const MOST = 1024;
/** … of longer ones, which PATH_INFO makes, none. */
const LONGEST = 4096;

/** A SCRIPT_FILENAME as it came, and what was made of it. */
interface Known<Value> {
  readonly script: Uint8Array;
  readonly value: Value;
}

/**
 * What was made of the SCRIPT_FILENAMEs that were asked for last: a site asks for the same few again and again. They are found by their bytes, as to
 * make a string of each request's takes several times as long as the rest of finding it. Of two with the same hash the later one is known.
 */
export class ScriptMemory<Value> {
  readonly #known = new Map<number, Known<Value>>();

  /** What was made of the SCRIPT_FILENAME of a request; undefined: it is not known, or there is none. */
  get(head: RequestHead): Value | undefined {
    const length = head.scriptLength;
    if (length === 0 || length > LONGEST) return undefined;
    const known = this.#known.get(head.scriptHash);
    return known && head.isScript(known.script) ? known.value : undefined;
  }

  /** Remembers it, unless it is too long, or there is none. */
  set(head: RequestHead, value: Value): void {
    const length = head.scriptLength;
    if (length === 0 || length > LONGEST) return;
    const script = Buffer.from(head.value("SCRIPT_FILENAME") ?? "", "latin1");
    remember(this.#known, head.scriptHash, { script, value }, MOST);
  }

  clear(): void {
    this.#known.clear();
  }
}
