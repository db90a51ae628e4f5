/**
 * Control characters (C0, DEL, C1), and what a terminal or a browser takes for a new line or for another direction of writing: the text would
 * not look like what it is.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const INVISIBLE = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** What is written for each of these characters. */
const ESCAPES = new Map<number, string>();

/** Control characters made visible, so that no program can forge a line or steer a terminal. */
export function escapeControls(text: string): string {
  // Nearly every text has none. With many of them a replacement by a callback takes a millisecond for each KiB.
  if (text.search(INVISIBLE) === -1) return text;
  let shown = "";
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const instead = escapeOf(text.charCodeAt(at));
    if (instead === undefined) continue;
    shown += text.slice(from, at) + instead;
    from = at + 1;
  }
  return shown + text.slice(from);
}

function escapeOf(code: number): string | undefined {
  if (code > 0x1f && code < 0x7f) return undefined;
  if (ESCAPES.size === 0)
    for (let each = 0; each < 0x10000; each++)
      if (String.fromCharCode(each).search(INVISIBLE) === 0) ESCAPES.set(each, escaped(each));
  return ESCAPES.get(code);
}

function escaped(code: number): string {
  if (code === 9) return "\\t";
  const digits = code.toString(16);
  return digits.length > 2 ? `\\u${digits.padStart(4, "0")}` : `\\x${digits.padStart(2, "0")}`;
}

/** JSON without the control characters that it allows. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value).replace(
    INVISIBLE,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
