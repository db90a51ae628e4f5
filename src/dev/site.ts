import { realpath, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { hasExtension, isUnder, programCandidates } from "../route/script-path.ts";

/** What a URL's path means below the served folder. */
export type Target =
  /** `script` is the program's path, `scriptName` and `pathInfo` the URL's two parts, decoded. */
  | {
      readonly kind: "program";
      readonly script: string;
      readonly scriptName: string;
      readonly pathInfo: string;
    }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "malformed" }
  /** Missing, hidden, outside or a program's source: all the same to the client. */
  | { readonly kind: "none" };

/** A folder that is served, and what counts as a program in it. */
export interface Site {
  /** Absolute, links resolved. */
  readonly root: string;
  /** The endings of the programs that may stand at a path. */
  extensionsFor(path: string): readonly string[];
  /** Whether the file at a path may be a program's source: it is never shown, even where it cannot run. */
  isSource(path: string): boolean;
}

const NONE: Target = { kind: "none" };

/** Finds out what the path of a URL (percent-encoded) means. Looks at the disk. */
export async function resolveTarget(site: Site, urlPath: string): Promise<Target> {
  const decoded = decodePath(urlPath);
  if (decoded === undefined) return { kind: "malformed" };
  const path = join(site.root, decoded);
  const isProgram = (part: string) =>
    part.length > site.root.length && hasExtension(part, site.extensionsFor(part));
  const candidates = programCandidates(join(site.root, "/") + decoded.slice(1), isProgram);
  for (const candidate of candidates) {
    const real = await realFile(candidate);
    if (real !== undefined)
      return isVisible(site, candidate, real) ? programAt(site, candidate, decoded) : NONE;
  }
  const real = await realpath(path).catch(() => undefined);
  const [longest] = candidates;
  // The daemon itself says that the program is missing.
  if (real === undefined)
    return longest === undefined || isHidden(site, longest) ? NONE : programAt(site, longest, decoded);
  if (!isVisible(site, path, real)) return NONE;
  const facts = await stat(real);
  if (facts.isDirectory()) return { kind: "folder", path: path.replace(/(.)\/+$/, "$1") };
  const isSource = [path, real].some((each) => site.isSource(each));
  return facts.isFile() && !isSource ? { kind: "file", path: real } : NONE;
}

/** The path in plain bytes' meaning, slashes collapsed; undefined when it is not decodable or climbs up. */
function decodePath(urlPath: string): string | undefined {
  try {
    const decoded = decodeURIComponent(urlPath).replaceAll(/\/{2,}/g, "/");
    return decoded.startsWith("/") && !decoded.includes("\0") && !/\/\.\.(?:\/|$)/.test(decoded)
      ? decoded
      : undefined;
  } catch {
    return undefined;
  }
}

function programAt(site: Site, script: string, decoded: string): Target {
  const scriptName = `/${relative(site.root, script)}`;
  return { kind: "program", script, scriptName, pathInfo: decoded.slice(scriptName.length) };
}

async function realFile(path: string): Promise<string | undefined> {
  const facts = await stat(path).catch(() => undefined);
  return facts?.isFile() ? await realpath(path).catch(() => undefined) : undefined;
}

/** Neither the path nor what it leads to is hidden or outside. */
function isVisible(site: Site, path: string, real: string): boolean {
  return (real === site.root || isUnder(real, site.root)) && !isHidden(site, path) && !isHidden(site, real);
}

function isHidden(site: Site, path: string): boolean {
  return relative(site.root, path)
    .split("/")
    .some((name) => name.startsWith("."));
}
