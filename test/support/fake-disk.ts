import type { FileFacts } from "../../src/base/file-facts.ts";

/** A disk of these files; `->` is a link, `x` executable, `r` only readable, `!` may not be looked at, `/` a folder. */
export function diskOf(disk: Record<string, string>, owned: Partial<FileFacts> = {}) {
  return (path: string): FileFacts => {
    const entry = disk[path];
    if (entry === undefined) return { kind: "missing" };
    if (entry === "!") return { kind: "denied" };
    const [mode, realPath = path] = entry.split("->") as [string, string?];
    const common = { realPath, uid: 1000, mode: 0o755, ...owned };
    if (mode === "/") return { ...common, kind: "other" };
    const access = { readable: true, executable: mode === "x" };
    return { ...common, ...access, kind: "file", identity: `id of ${realPath}` };
  };
}
