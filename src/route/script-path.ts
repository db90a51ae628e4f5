import { FpmError } from "../base/errors.ts";
import type { RequestHead } from "../fcgi/head.ts";
import { isAscii, utf8 } from "../fcgi/utf8.ts";

/** `proxy:fcgi://host`, `proxy:balancer://name`, `proxy:unix:/s|fcgi://host`: what Apache puts before the path. */
const APACHE_PREFIX = /^proxy:(?:unix:[^|]*\|)?(?:fcgi|balancer):\/\/[^/]*/;
/** How many folders of a path are tried as a program; PATH_INFO may be long. */
const MAX_CANDIDATES = 64;

/** The file a request names, made absolute and plain, before anybody looks at the disk. */
export interface ScriptPath {
  readonly path: string;
  /** Apache's forms leave the path percent-encoded: this is the path to try when `path` names nothing. */
  readonly decoded: string | undefined;
}

/**
 * The path that SCRIPT_FILENAME names, or PATH_TRANSLATED where it is absent.
 * @throws FpmError SCRIPT_MISSING, SCRIPT_INVALID.
 */
export function scriptPath(head: RequestHead): ScriptPath {
  const given = head.value("SCRIPT_FILENAME") || head.value("PATH_TRANSLATED");
  if (!given) {
    throw new FpmError(
      "SCRIPT_MISSING",
      "client",
      "The web server sent no SCRIPT_FILENAME: set it in its FastCGI settings.",
    );
  }
  const prefix = APACHE_PREFIX.exec(given);
  if (!prefix) return { path: plainPath(given), decoded: undefined };
  const bare = given.slice(prefix[0].length).replace(/\?.*$/s, "");
  const decoded = percentDecode(bare);
  return { path: plainPath(bare), decoded: decoded === bare ? undefined : plainPath(decoded) };
}

/** `path` cut after each of its parts, longest first, where the part `mayBeProgram`. */
export function programCandidates(path: string, mayBeProgram: (path: string) => boolean): string[] {
  const candidates: string[] = [];
  for (
    let end = path.length;
    end > 0 && candidates.length < MAX_CANDIDATES;
    end = path.lastIndexOf("/", end - 1)
  ) {
    const candidate = path.slice(0, end);
    if (!candidate.endsWith("/") && mayBeProgram(candidate)) candidates.push(candidate);
  }
  return candidates;
}

/** A part of a path that Apache left percent-encoded, "" or from a slash on, decoded. @throws FpmError SCRIPT_INVALID. */
export function decodedPath(path: string): string {
  return path === "" ? "" : plainPath(percentDecode(pathBytes(path)));
}

/** Whether `path` lies below the folder `root`. */
export function isUnder(path: string, root: string): boolean {
  return path.startsWith(root.endsWith("/") ? root : `${root}/`);
}

/** Whether the file's name carries one of the extensions, byte for byte, and more than that. */
export function hasExtension(path: string, extensions: readonly string[]): boolean {
  const nameLength = path.length - path.lastIndexOf("/") - 1;
  return extensions.some((extension) => nameLength > extension.length && path.endsWith(extension));
}

/** The folder that holds `path`. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

/** A path in UTF-8, without repeated slashes, safe to look up. */
function plainPath(bytes: string): string {
  const shown = JSON.stringify(bytes.slice(0, 200));
  const refuse = (why: string) =>
    new FpmError("SCRIPT_INVALID", "client", `SCRIPT_FILENAME ${shown} ${why}.`);
  if (!bytes.startsWith("/")) throw refuse("is not an absolute path");
  if (bytes.length > 4095) throw refuse(`has ${bytes.length} bytes; a path has at most 4095`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these three are what is refused
  if (/[\x00\r\n]/.test(bytes)) throw refuse("holds a NUL, CR or LF");
  const path = utf8(bytes);
  if (path === undefined) throw refuse("is not UTF-8");
  if (/(^|\/)\.\.(\/|$)/.test(path)) throw refuse("holds a `..` part");
  return path.replace(/\/(?:\.?\/)+/g, "/");
}

/** A path as a parameter's value: a character a byte. */
export function pathBytes(path: string): string {
  if (isAscii(path)) return path;
  return Array.from(new TextEncoder().encode(path), (byte) => String.fromCharCode(byte)).join("");
}

function percentDecode(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
