/** The line of each key and table of a document, by its path: "app", "app.env.LANG", "apps[1].match". Lines count from 1. */
export type KeyLines = ReadonlyMap<string, number>;

const SEGMENT = /\s*("(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)[ \t]*(\.?)/y;
const TRIPLE_BASIC = /"""(?:[^\\]|\\.)*?"{3,5}/sy;
const TRIPLE_LITERAL = /'''.*?'{3,5}/sy;
const BASIC = /"(?:[^"\\]|\\.)*"/y;
const LITERAL = /'[^']*'/y;
const COMMENT = /#[^\n]*/y;

/** Finds the lines of the keys of a valid TOML document; keys inside inline tables are left out. */
export function findKeyLines(text: string): KeyLines {
  const lines = new Map<string, number>();
  const tableCounts = new Map<string, number>();
  let table = "";
  let at = 0;
  let line = 1;
  const moveTo = (end: number) => {
    for (let i = at; i < end; i++) if (text.charCodeAt(i) === 10) line++;
    at = end;
  };
  while (at < text.length) {
    moveTo(skipBlank(text, at));
    if (at >= text.length) break;
    if (text[at] === "[") {
      const isList = text[at + 1] === "[";
      const header = readKey(text, at + (isList ? 2 : 1));
      table = isList ? nextElement(tableCounts, header.path) : lastElement(tableCounts, header.path);
      note(lines, table, line);
      moveTo(endOfLine(text, header.end));
    } else {
      const key = readKey(text, at);
      note(lines, table === "" ? key.path : `${table}.${key.path}`, line);
      moveTo(skipValue(text, key.end));
    }
  }
  return lines;
}

/** The line of a path, or of the nearest table or list around it that has one. */
export function lineOf(lines: KeyLines, path: string): number | undefined {
  let candidate = path;
  while (candidate !== "") {
    const line = lines.get(candidate) ?? lines.get(`${candidate}[0]`);
    if (line !== undefined) return line;
    candidate = candidate.slice(0, Math.max(candidate.lastIndexOf("."), candidate.lastIndexOf("["), 0));
  }
  return undefined;
}

function note(lines: Map<string, number>, path: string, line: number): void {
  if (!lines.has(path)) lines.set(path, line);
}

function nextElement(counts: Map<string, number>, path: string): string {
  const index = counts.get(path) ?? 0;
  counts.set(path, index + 1);
  return `${path}[${index}]`;
}

/** `[apps.env]` below `[[apps]]` belongs to the element that was opened last. */
function lastElement(counts: ReadonlyMap<string, number>, path: string): string {
  const [first = "", ...rest] = path.split(".");
  const count = counts.get(first);
  return count === undefined || rest.length === 0 ? path : [`${first}[${count - 1}]`, ...rest].join(".");
}

function readKey(text: string, start: number): { path: string; end: number } {
  const names: string[] = [];
  let end = start;
  for (;;) {
    SEGMENT.lastIndex = end;
    const match = SEGMENT.exec(text);
    if (match === null) break;
    end = SEGMENT.lastIndex;
    const [, quoted = "", dot] = match;
    names.push(/^["']/.test(quoted) ? quoted.slice(1, -1) : quoted);
    if (dot !== ".") break;
  }
  return { path: names.join("."), end: Math.max(end, start + 1) };
}

function skipBlank(text: string, start: number): number {
  let at = start;
  for (;;) {
    while (at < text.length && /\s/.test(text[at] ?? "")) at++;
    const end = matchEnd(COMMENT, text, at);
    if (end === undefined) return at;
    at = end;
  }
}

function endOfLine(text: string, start: number): number {
  const newline = text.indexOf("\n", start);
  return newline === -1 ? text.length : newline + 1;
}

/** The end of the value that follows a key: its line's end, unless strings or brackets span lines. */
function skipValue(text: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < text.length) {
    const skipped =
      matchEnd(TRIPLE_BASIC, text, at) ??
      matchEnd(TRIPLE_LITERAL, text, at) ??
      matchEnd(BASIC, text, at) ??
      matchEnd(LITERAL, text, at) ??
      matchEnd(COMMENT, text, at);
    if (skipped !== undefined) {
      at = skipped;
      continue;
    }
    const char = text[at++];
    if (char === "[" || char === "{") depth++;
    else if (char === "]" || char === "}") depth--;
    else if (char === "\n" && depth <= 0) return at;
  }
  return at;
}

function matchEnd(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}
