import { messageOf } from "../base/errors.ts";

/** A TOML document as data, or why it is none. Lines count from 1. */
export type ParsedToml =
  | { readonly table: Record<string, unknown> }
  | { readonly reason: string; readonly line: number | undefined };

/** Reads bytes as TOML; never runs anything they contain. */
export async function parseToml(bytes: Uint8Array): Promise<ParsedToml> {
  const text = decode(bytes);
  if (text === undefined) return { reason: "is not UTF-8 text", line: lineOfBadUtf8(bytes) };
  try {
    return { table: Bun.TOML.parse(text) as Record<string, unknown> };
  } catch (thrown) {
    return {
      reason: messageOf(thrown).replace(/^TOML Parse error: /, ""),
      line: await lineOfSyntaxError(text),
    };
  }
}

/** The text of UTF-8 bytes without a byte order mark, or undefined when they are not UTF-8. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function lineOfBadUtf8(bytes: Uint8Array): number | undefined {
  let line = 1;
  let start = 0;
  while (start <= bytes.length) {
    const newline = bytes.indexOf(10, start);
    const end = newline === -1 ? bytes.length : newline;
    if (decode(bytes.subarray(start, end)) === undefined) return line;
    line++;
    start = end + 1;
  }
  return undefined;
}

/**
 * Bun 1.4.5's `TOML.parse` gives the line of its caller; the module loader knows the right one. A data URL keeps the file out of it:
 * the loader sees the same text that was parsed, and the type makes it TOML whatever it contains.
 */
async function lineOfSyntaxError(text: string): Promise<number | undefined> {
  try {
    await import(`data:application/toml,${encodeURIComponent(text)}`, { with: { type: "toml" } });
    return undefined;
  } catch (thrown) {
    const line = (thrown as { position?: { line?: unknown } | null }).position?.line;
    return typeof line === "number" && line > 0 ? line : undefined;
  }
}
