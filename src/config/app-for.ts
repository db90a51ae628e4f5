import type { AppConfig } from "./config.ts";

/** Paths whose answer is remembered; the oldest makes room. */
const MAX_CACHED_PATHS = 4096;
/** Longer paths are matched anew each time, so that the cache's bytes are bounded too. */
const LONGEST_CACHED_PATH = 512;

/**
 * Which settings hold for a path. `globs` are the `match` of the tables in order; `merge` builds the settings of the tables that match,
 * given by their indexes, and is called once for every such set.
 */
export function createAppFor(
  app: AppConfig,
  globs: readonly string[],
  merge: (matched: readonly number[]) => AppConfig,
): (path: string) => AppConfig {
  if (globs.length === 0) return () => app;
  const compiled = globs.map((glob) => new Bun.Glob(glob));
  const bySet = new Map<string, AppConfig>([["", app]]);
  const byPath = new Map<string, AppConfig>();

  return (path) => {
    const known = byPath.get(path);
    if (known !== undefined) return known;
    const matched = [...compiled.keys()].filter((index) => compiled[index]?.match(path));
    const set = matched.join("+");
    const settings = bySet.get(set) ?? merge(matched);
    bySet.set(set, settings);
    if (path.length <= LONGEST_CACHED_PATH) remember(byPath, path, settings);
    return settings;
  };
}

function remember(byPath: Map<string, AppConfig>, path: string, settings: AppConfig): void {
  if (byPath.size >= MAX_CACHED_PATHS) {
    const [oldest] = byPath.keys();
    if (oldest !== undefined) byPath.delete(oldest);
  }
  byPath.set(path, settings);
}
