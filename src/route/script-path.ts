import { FpmError } from "../base/errors.ts";
import { isAscii, utf8 } from "../base/utf8.ts";
import type { RequestHead } from "../fcgi/head.ts";

/** `proxy:fcgi://host`, `proxy:balancer://name`, `proxy:unix:/s|fcgi://host`: what Apache puts before the path. */
const APACHE_PREFIX = /^proxy:(?:unix:[^|]*\|)?(?:fcgi|balancer):\/\/[^/]*/;
/** path_resolution(7), without the NUL at its end. */
const LONGEST_PATH = 4095;
/** A program lies in no more folders than this: whoever asks for more has slashes in PATH_INFO. */
const MOST_PARTS = 256;

/** What a web server says of the script, a character a byte. */
export interface GivenScript {
  /** The parameters it was made of. */
  readonly source: string;
  readonly path: string;
  /** Whether Apache put its prefix in front, and left the path percent-encoded. */
  readonly isEncoded: boolean;
}

/** A beginning of a path that may name a file, and what follows it. */
export interface PathPart {
  /** In UTF-8, without repeated slashes and `.` parts. */
  readonly path: string;
  /** From a slash on or empty, as it came, a character a byte: what becomes PATH_INFO. */
  readonly rest: string;
}

/**
 * What may name the script, in the order it is tried: SCRIPT_FILENAME, or without it PATH_TRANSLATED, then DOCUMENT_ROOT with SCRIPT_NAME. Where these
 * two stand beside a PATH_INFO, PATH_TRANSLATED is where that leads (RFC 3875 §4.1.6): no script.
 * @throws FpmError SCRIPT_MISSING.
 */
export function givenScripts(head: RequestHead): GivenScript[] {
  const script = head.value("SCRIPT_FILENAME");
  if (script) return [givenScript("SCRIPT_FILENAME", script)];
  const given: GivenScript[] = [];
  const name = head.value("SCRIPT_NAME");
  const root = name && head.parameter("DOCUMENT_ROOT");
  const translated = root && head.value("PATH_INFO") ? undefined : head.value("PATH_TRANSLATED");
  if (translated) given.push(givenScript("PATH_TRANSLATED", translated));
  if (root)
    given.push({ source: "DOCUMENT_ROOT with SCRIPT_NAME", path: `${root}/${name}`, isEncoded: false });
  if (given.length > 0) return given;
  throw new FpmError(
    "SCRIPT_MISSING",
    "client",
    "The web server sent no SCRIPT_FILENAME: set it in its FastCGI settings.",
  );
}

function givenScript(source: string, value: string): GivenScript {
  const prefix = APACHE_PREFIX.exec(value);
  if (!prefix) return { source, path: value, isEncoded: false };
  return { source, path: value.slice(prefix[0].length).replace(/\?.*$/s, ""), isEncoded: true };
}

/** A path without what Apache puts before it. */
export function withoutPrefix(value: string): string {
  return value.replace(APACHE_PREFIX, "");
}

/** Why a script is refused whatever is found on the disk: it is no path, or one out of a folder; undefined: it may be one. */
export function unsafety({ path }: GivenScript): string | undefined {
  if (!path.startsWith("/")) return "is not an absolute path";
  if (path.includes("\0")) return "holds a NUL";
  return /\/\.\.(?:\/|$)/.test(path) ? "holds a `..` part" : undefined;
}

/** `path`, in bytes, cut after each of its parts as far as they can be names of files, the shortest first. */
export function pathParts(bytes: string): PathPart[] {
  const parts: PathPart[] = [];
  let path = "";
  let length = 0;
  for (let start = 1; start <= bytes.length && parts.length < MOST_PARTS; ) {
    const slash = bytes.indexOf("/", start);
    const end = slash === -1 ? bytes.length : slash;
    const name = bytes.slice(start, end);
    start = end + 1;
    if (name === "" || name === ".") continue;
    const text = fileName(name);
    length += 1 + name.length;
    if (text === undefined || length > LONGEST_PATH) break;
    path += `/${text}`;
    parts.push({ path, rest: bytes.slice(end) });
  }
  return parts;
}

/** Why the path as a whole is that of no file; undefined: it may be. */
export function wholeProblem(bytes: string): string | undefined {
  if (/[\r\n]/.test(bytes)) return "holds a CR or LF";
  if (utf8(bytes) === undefined) return "is not UTF-8";
  return bytes.length > LONGEST_PATH
    ? `has ${bytes.length} bytes; a path has at most ${LONGEST_PATH}`
    : undefined;
}

/** The error for a script that is not looked for. */
export function invalidScript({ source, path }: GivenScript, why: string): FpmError {
  const shown = JSON.stringify(path.slice(0, 200));
  return new FpmError("SCRIPT_INVALID", "client", `${source} ${shown} ${why}.`);
}

/** Bytes as a text without repeated slashes and `.` parts; what is not UTF-8 is shown as U+FFFD. */
export function plainText(bytes: string): string {
  const text = utf8(bytes) ?? Buffer.from(bytes, "latin1").toString();
  return text.replace(/\/(?:\.?\/)+/g, "/");
}

/** The folder that holds `path`. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

/** A path as a parameter's value: a character a byte. */
export function pathBytes(path: string): string {
  if (isAscii(path)) return path;
  return Array.from(new TextEncoder().encode(path), (byte) => String.fromCharCode(byte)).join("");
}

/** `%41` as the byte it stands for; a `%` that is followed by something else stays. */
export function percentDecode(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function fileName(bytes: string): string | undefined {
  return /[\r\n]/.test(bytes) ? undefined : utf8(bytes);
}
