/** A pattern with more alternatives than that is not looked at further. */
const MOST_ALTERNATIVES = 64;
/** What stands for one character: `\*`, `[a-z]`, `[!]]`. */
const CHARACTER = String.raw`\\.|\[[!^]?(?:\][^\]]*|[^\]]+)\]`;
const CHARACTERS = new RegExp(CHARACTER, "gs");
/** The first list with no list in it. */
const LIST = new RegExp(String.raw`^((?:${CHARACTER}|[^\\[])*?)\{((?:${CHARACTER}|[^{}\\[])*)\}(.*)$`, "s");
/** A comma that is none of a character class, and not taken as it is. */
const COMMA = /(?<!\\),(?![^[]*\])/;
/** A range in a character class, by its two ends. */
const RANGE = /(\\.|[^\\])-(\\.|[^\\])/gsu;
const STARS = /\*{2,}/;

/** `/a/{b,c}` as `/a/b` and `/a/c`; none where they are too many. Each list multiplies them, so they are counted after each. */
export function alternativesOf(pattern: string): string[] {
  let all = [pattern];
  while (all.length <= MOST_ALTERNATIVES) {
    if (!all.some((each) => LIST.test(each))) return all;
    all = all.flatMap(withoutFirstList);
  }
  return [];
}

function withoutFirstList(pattern: string): string[] {
  const [, before = "", list, after = ""] = LIST.exec(pattern) ?? [];
  return list === undefined ? [pattern] : list.split(COMMA).map((each) => `${before}${each}${after}`);
}

/** Why a pattern of paths does not cover what it looks like, and what to write; undefined for a good one. */
export function patternProblem(pattern: string): string | undefined {
  const bare = withoutCharacters(pattern);
  if (bare.includes("["))
    return `${JSON.stringify(pattern)}: the "[" has no "]" after it; for the character itself write \\[`;
  let open = 0;
  for (const char of bare) {
    if (char === "{") open++;
    else if (char === "}" && open > 0) open--;
  }
  if (open > 0)
    return `${JSON.stringify(pattern)}: a "{" has no "}" after it; for the character itself write \\{`;
  const range = emptyRange(pattern);
  if (range !== undefined)
    return `${JSON.stringify(pattern)}: the range ${range} covers nothing: its end comes before its beginning`;
  const wrong = alternativesOf(pattern).find((each) => each.split("/").some(hasStarsInside));
  if (wrong === undefined) return undefined;
  const right = wrong.split("/").map(spread).join("/");
  return `${JSON.stringify(wrong)}: "**" stands for folders only as a whole part of a path; write ${JSON.stringify(right)}`;
}

/** What is wrong with the first of several patterns; undefined when they are good. */
export function firstPatternProblem(patterns: readonly string[]): string | undefined {
  return patterns.map(patternProblem).find((each) => each !== undefined);
}

function withoutCharacters(pattern: string): string {
  return pattern.replace(CHARACTERS, "x");
}

/** The first range in a character class that ends before it begins. */
function emptyRange(pattern: string): string | undefined {
  for (const [characters] of pattern.matchAll(CHARACTERS)) {
    if (!characters.startsWith("[")) continue;
    const inside = characters.slice(1, -1).replace(/^[!^]/, "");
    for (const [range, first, last] of inside.matchAll(RANGE)) if (codeOf(first) > codeOf(last)) return range;
  }
  return undefined;
}

/** Of a character, which may have a backslash before it. */
function codeOf(character = ""): number {
  return character.replace(/^\\/, "").codePointAt(0) ?? 0;
}

function hasStarsInside(part: string): boolean {
  return part !== "**" && STARS.test(withoutCharacters(part));
}

/** `a**.php` as what was probably meant: `a*` and below it `*.php`. */
function spread(part: string): string {
  if (!hasStarsInside(part)) return part;
  const [before = "", ...after] = part.split(STARS);
  const rest = after.join("*");
  return [before && `${before}*`, "**", rest && `*${rest}`].filter((each) => each !== "").join("/");
}
