import type { LogFields } from "../base/log.ts";
import { utf8 } from "../base/utf8.ts";
import type { RequestHead } from "./head.ts";

/** What a web server's client decides of a line of the log is no longer than that. */
const LONGEST_TEXT = 500;
const HOST = "HTTP_HOST";

/** What names a request in a line of the log, beside its method and path: a program may serve many scripts of many hosts. */
export class RequestNaming {
  /** Parameters that are named, too, under their own names. */
  #extra: readonly string[] = [];

  constructor(extra: readonly string[] = []) {
    this.use(extra);
  }

  /** The names of `[log] request_fields` from now on. */
  use(extra: readonly string[]): void {
    this.#extra = extra;
  }

  /** `script` is what the program was asked for; it is named where it is not the program. */
  fields(head: RequestHead, script: string | undefined, program: string | undefined): LogFields {
    const fields: Record<string, string | undefined> = {
      script: script === program ? undefined : script,
      host: shown(head.parameter(HOST)),
    };
    for (const name of this.#extra) fields[name] = shown(head.parameter(name));
    return fields;
  }
}

/** A value as text that is not too long; "" and what is not there are left out. */
export function shown(value: string | undefined): string | undefined {
  if (value === undefined || value === "") return undefined;
  const text = utf8(value) ?? value;
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}
