import type { FileFacts } from "../../src/base/file-facts.ts";
import type { FileTrail } from "../../src/base/file-trail.ts";
import type { RouterDisk } from "../../src/route/path-router.ts";

/** A disk of these files; `->` is a link, `x` executable, `r` only readable, `n` on a file system where nothing is executed, `o` only others may execute, `!` may not be looked at, `/` a folder. */
export function diskOf(disk: Record<string, string>, owned: Partial<FileFacts> = {}) {
  return (path: string): FileFacts => {
    const entry = disk[path];
    if (entry === undefined) return { kind: "missing" };
    if (entry === "!") return { kind: "denied" };
    const [mode, realPath = path] = entry.split("->") as [string, string?];
    const common = { realPath, uid: 1000, mode: mode === "r" ? 0o644 : 0o755, ...owned };
    if (mode === "/") return { ...common, kind: "other" };
    const access = { readable: true, executable: mode === "x", isOnNoexec: mode === "n" };
    return { ...common, ...access, kind: "file", identity: `id of ${realPath}` };
  };
}

/** The same as a router asks it; what stands at every path belongs to one user, links of others excepted. */
export function routerDisk(
  disk: Record<string, string>,
  owned: Partial<FileFacts> = {},
  links: FileTrail["links"] = [],
): RouterDisk {
  const lookup = diskOf(disk, owned);
  const versionOf = (path: string) => {
    const facts = lookup(path);
    return facts.kind === "file" ? facts.identity : facts.kind;
  };
  return {
    lookup,
    watched: versionOf,
    executable: versionOf,
    trail(path) {
      const facts = lookup(path);
      if (facts.kind === "missing" || facts.kind === "denied") return undefined;
      const { realPath, uid, mode } = facts;
      const folder = realPath.slice(0, realPath.lastIndexOf("/"));
      const parts = [
        { path: folder, kind: "folder", uid, mode },
        { path: realPath, kind: "file", uid, mode },
      ] as const;
      return { realPath, parts, links };
    },
  };
}
