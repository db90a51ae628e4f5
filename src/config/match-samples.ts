/** A pattern with more alternatives than that is not looked at further. */
const MOST_SAMPLES = 64;

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

/** `/a/{b,c}` as `/a/b` and `/a/c`. */
function alternativesOf(glob: string): string[] {
  const [, before = "", list, after = ""] = /^(.*?)\{([^{}]*)\}(.*)$/s.exec(glob) ?? [];
  if (list === undefined) return [glob];
  const all = list.split(",").flatMap((each) => alternativesOf(`${before}${each}${after}`));
  return all.length > MOST_SAMPLES ? [] : all;
}

/** The part of a `match` glob that is no pattern: a folder, without a slash at its end. */
export function fixedFolderOf(match: string): string {
  return (/^(?:[^*?[\]{}!\\]*\/)?/.exec(match)?.[0] ?? "").replace(/\/+$/, "");
}
