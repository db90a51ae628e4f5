import { alternativesOf } from "../base/path-pattern.ts";

/**
 * Paths that a `match` glob is there for, one for each of its alternatives: with `x` for what may be anything. Empty where that is not to
 * be told.
 */
export function samplesOf(match: string): string[] {
  const glob = absoluteGlob(match);
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

/** A `match` as it is compared with paths: `**` at its beginning is below the root folder. */
export function absoluteGlob(match: string): string {
  return match.startsWith("/") ? match : `/${match}`;
}

/** The part of a `match` glob that is no pattern: a folder, without a slash at its end. */
export function fixedFolderOf(match: string): string {
  return (/^(?:[^*?[\]{}!\\]*\/)?/.exec(match)?.[0] ?? "").replace(/\/+$/, "");
}
