/**
 * Control characters (C0, DEL, C1), and what a terminal or a browser takes for a new line or for another direction of writing: the text would
 * not look like what it is.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const INVISIBLE = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** What is written for each of these characters, as far as one was seen. */
const ESCAPES = new Map<string, string>();

/** Control characters made visible, so that no program can forge a line or steer a terminal. */
export function escapeControls(text: string): string {
  return text.replace(INVISIBLE, escaped);
}

function escaped(char: string): string {
  const known = ESCAPES.get(char);
  if (known !== undefined) return known;
  const code = char.charCodeAt(0).toString(16);
  const made = code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
  const shown = char === "\t" ? "\\t" : made;
  ESCAPES.set(char, shown);
  return shown;
}

/** JSON without the control characters that it allows. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value).replace(
    INVISIBLE,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
