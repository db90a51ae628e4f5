import { realpath, stat } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { ANY_EXECUTE } from "../base/file-facts.ts";
import { utf8 } from "../base/utf8.ts";
import { isUnder } from "../config/program-path.ts";
import { type PathPart, pathParts, percentDecode, plainText } from "../route/script-path.ts";

/** What a URL's path means below the served folder. */
export type Target =
  /** `script` is the program's path, `scriptName` and `pathInfo` are the URL's two parts, decoded, the second a character a byte. */
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
  /** Whether a file at a path would be a program. */
  isProgram(path: string): boolean;
  /** Whether a program serves a path without a file. */
  isVirtual(path: string): boolean;
  /** Whether the file at a path may be a program's source: it is never shown, even where it cannot run. */
  isSource(path: string): boolean;
}

const NONE: Target = { kind: "none" };

/** Finds out what the path of a URL (percent-encoded) means. Looks at the disk. */
export async function resolveTarget(site: Site, urlPath: string): Promise<Target> {
  const bytes = bytesOf(urlPath);
  if (bytes === undefined) return { kind: "malformed" };
  const program = await findProgram(site, bytes);
  if (program) return program;
  if (site.isVirtual(join(site.root, plainText(bytes)))) return virtualAt(site, bytes);
  const text = /[\r\n]/.test(bytes) ? undefined : utf8(bytes);
  return text === undefined ? { kind: "malformed" } : await plainTarget(site, join(site.root, text));
}

/** A character a byte; undefined when it is not decodable or climbs up. */
function bytesOf(urlPath: string): string | undefined {
  if (!urlPath.startsWith("/") || /%(?![0-9a-f]{2})/i.test(urlPath)) return undefined;
  const bytes = percentDecode(urlPath);
  return bytes.includes("\0") || /\/\.\.(?:\/|$)/.test(bytes) ? undefined : bytes;
}

async function findProgram(site: Site, bytes: string): Promise<Target | undefined> {
  for (const part of pathParts(bytes)) {
    const candidate = join(site.root, part.path);
    if (!site.isProgram(candidate)) continue;
    const facts = await stat(candidate).catch(() => undefined);
    // The daemon itself says that the program is missing.
    if (!facts) return isHidden(site, candidate) ? NONE : programAt(candidate, part);
    if (!facts.isFile()) continue;
    const real = await realpath(candidate).catch(() => undefined);
    return real !== undefined && isVisible(site, candidate, real) ? programAt(candidate, part) : NONE;
  }
  return undefined;
}

function programAt(script: string, { path, rest }: PathPart): Target {
  return { kind: "program", script, scriptName: path, pathInfo: rest };
}

/** What stands behind the name of a program that is at the root of the site. */
function virtualAt({ root }: Site, bytes: string): Target {
  return { kind: "program", script: join(root, plainText(bytes)), scriptName: "", pathInfo: bytes };
}

async function plainTarget(site: Site, path: string): Promise<Target> {
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined || !isVisible(site, path, real)) return NONE;
  const facts = await stat(real);
  if (facts.isDirectory()) return { kind: "folder", path: path.replace(/(.)\/+$/, "$1") };
  if (!facts.isFile() || [path, real].some((each) => site.isProgram(each) || site.isSource(each)))
    return NONE;
  // What has no ending and is executable is a program, if not here then elsewhere.
  const isExecutable = (facts.mode & ANY_EXECUTE) !== 0;
  return isExecutable && !basename(real).includes(".") ? NONE : { kind: "file", path: real };
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
