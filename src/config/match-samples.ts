/** A pattern with more alternatives than that is not looked at further. */
const MOST_SAMPLES = 64;
/** With no list in it. */
const LIST = /^(.*?)\{([^{}]*)\}(.*)$/s;

/**
 * Paths that a `match` glob is there for, one for each of its alternatives: with `x` for what may be anything. Empty where that is not to
 * be told.
 */
export function samplesOf(match: string): string[] {
  const glob = match.startsWith("/") ? match : `/${match}`;
  if (/[!\\]/.test(glob)) return [];
  const matcher = new Bun.Glob(glob);
  return alternativesOf(glob)
    .map((each) =>
      each
        .replaceAll("**", "x")
        .replaceAll(/\*|\?/g, "x")
        .replaceAll(/\[([^\]-])[^\]]*\]/g, "$1"),
    )
    .filter((path) => matcher.match(path));
}

/** `/a/{b,c}` as `/a/b` and `/a/c`; none where they are too many. Each list multiplies them, so they are counted after each. */
function alternativesOf(glob: string): string[] {
  let all = [glob];
  while (all.length <= MOST_SAMPLES) {
    if (!all.some((each) => LIST.test(each))) return all;
    all = all.flatMap(withoutFirstList);
  }
  return [];
}

function withoutFirstList(glob: string): string[] {
  const [, before = "", list, after = ""] = LIST.exec(glob) ?? [];
  return list === undefined ? [glob] : list.split(",").map((each) => `${before}${each}${after}`);
}

/** The part of a `match` glob that is no pattern: a folder, without a slash at its end. */
export function fixedFolderOf(match: string): string {
  return (/^(?:[^*?[\]{}!\\]*\/)?/.exec(match)?.[0] ?? "").replace(/\/+$/, "");
}
