import type { AppConfig } from "../config/config.ts";
import { phpOf } from "../config/program-path.ts";
import type { KnownName, ParamChanges, RequestHead } from "../fcgi/head.ts";
import type { Candidate } from "./reading.ts";
import { percentDecode, withoutPrefix } from "./script-path.ts";

/** What a request that is told as it came is told. */
export const NO_CHANGES: ParamChanges = new Map();

/** What PHP-FPM tells under another name where it changes it, and PHP's applications look for. */
const KEPT = ["SCRIPT_FILENAME", "SCRIPT_NAME", "PATH_INFO", "PATH_TRANSLATED"] as const;

/**
 * What php-cgi takes for a second name of the script, and by which it runs or shows a file that nobody has checked: PATH_TRANSLATED with
 * `cgi.fix_pathinfo=0`, or where REDIRECT_URL says that the request was rewritten (Apache), without which PATH_INFO would be lost, too. PHP shows
 * a `.` in a name as `_`: its variables have all of them, and php-cgi, which looks for the name as it came, has none.
 */
const MISLEADING = ["PATH_TRANSLATED", "REDIRECT_URL"] as const;

/** Whether a request may say more of the script than its SCRIPT_FILENAME does. */
export function mayMislead(head: RequestHead): boolean {
  return head.value("PATH_TRANSLATED") !== undefined || head.value("REDIRECT_URL") !== undefined;
}

/**
 * SCRIPT_FILENAME as found, and where the web server left PATH_INFO inside, PATH_INFO and PATH_TRANSLATED (RFC 3875 §4.1.6), and SCRIPT_NAME
 * without it. An interpreter is told of one file alone, and, as ORIG_SCRIPT_NAME and so on, what the web server had sent.
 */
export function changesFor(head: RequestHead, candidate: Candidate): ParamChanges {
  const { told, app } = candidate;
  const changes = hasInfo(head, candidate) ? withInfo(head, candidate) : scriptAlone(head, told);
  return isToldOneName(app) ? withoutOthers(head, told, changes) : changes;
}

/** With `any_path` nobody looks at what a path leads to, and an application may want to know: but a PHP runs it. */
function isToldOneName({ command, anyPath }: AppConfig): boolean {
  return command !== undefined && (!anyPath || phpOf(command) !== undefined);
}

/** Whether what follows the script is PATH_INFO: lighttpd's `broken-scriptfilename` puts a slash there that was not asked for. */
function hasInfo(head: RequestHead, { pathInfo, app }: Candidate): boolean {
  if (pathInfo !== "/" || app.anyPath) return pathInfo !== "";
  const name = head.value("SCRIPT_NAME");
  return !name || name.endsWith("/") || Boolean(head.value("PATH_INFO"));
}

function scriptAlone(head: RequestHead, told: string): ParamChanges {
  return head.value("SCRIPT_FILENAME") === told ? NO_CHANGES : new Map([["SCRIPT_FILENAME", told]]);
}

function withInfo(head: RequestHead, { told, pathInfo, app }: Candidate): ParamChanges {
  const changes = new Map<string, string>([
    ["SCRIPT_FILENAME", told],
    ["PATH_INFO", pathInfo],
  ]);
  const given = head.value("SCRIPT_NAME") ?? "";
  const name = withoutInfo(given, pathInfo) ?? given;
  if (name !== given) changes.set("SCRIPT_NAME", name);
  const root = head.parameter("DOCUMENT_ROOT") || rootOf(told, name);
  if (root !== undefined) changes.set("PATH_TRANSLATED", withoutSlashes(root) + pathInfo);
  if (app.command && !app.anyPath) keepOriginals(head, changes);
  return changes;
}

/** The same without a second name of the script: see MISLEADING. */
function withoutOthers(head: RequestHead, told: string, changes: ParamChanges): ParamChanges {
  const sent = (name: KnownName) => changes.get(name) ?? head.value(name);
  const isRewritten = sent("PATH_INFO") !== undefined && sent("REDIRECT_URL") !== undefined;
  const isTranslated = (sent("PATH_TRANSLATED") ?? told) !== told;
  if (!isRewritten && !isTranslated) return changes;
  const hidden = new Map(changes);
  for (const name of MISLEADING) {
    const value = sent(name);
    if (value === undefined) continue;
    hidden.set(name, undefined);
    hidden.set(name.replace("_", "."), value);
  }
  return hidden;
}

function keepOriginals(head: RequestHead, changes: Map<string, string>): void {
  for (const name of KEPT) {
    const given = withoutPrefix(head.value(name) ?? "");
    if (given !== "" && changes.has(name) && changes.get(name) !== given) changes.set(`ORIG_${name}`, given);
  }
}

/** Without slashes at its end, however many a web server may send. */
function withoutSlashes(root: string): string {
  let { length } = root;
  while (root[length - 1] === "/") length--;
  return root.slice(0, length);
}

/** Where the site begins, if the script's name in the URL is where its file lies. */
function rootOf(file: string, name: string): string | undefined {
  return name !== "" && file.endsWith(name) ? file.slice(0, file.length - name.length) : undefined;
}

/** `name` without `info` at its end; undefined where it does not end with it. Web servers merge slashes in one of the two, or leave one encoded. */
function withoutInfo(name: string, info: string): string | undefined {
  const rest = name.slice(0, name.length - info.length);
  if (name.endsWith(info) && !rest.endsWith("/")) return rest;
  const plain = new PlainText(name);
  const end = new PlainText(info).text;
  return plain.text.endsWith(end) ? name.slice(0, plain.origin(plain.text.length - end.length)) : undefined;
}

/** A part of a URL, decoded, without repeated slashes and `.` parts, and where each character of that comes from. */
class PlainText {
  readonly text: string;
  readonly #origins: number[] = [];

  constructor(bytes: string) {
    const text: string[] = [];
    for (const { 0: piece, index } of bytes.matchAll(/%[0-9a-f]{2}|./gis)) {
      const char = piece.length === 1 ? piece : percentDecode(piece);
      if (char === "/" && text.at(-1) === "." && text.at(-2) === "/") {
        text.pop();
        this.#origins.pop();
      } else if (char !== "/" || text.at(-1) !== "/") {
        text.push(char);
        this.#origins.push(index);
      }
    }
    this.text = text.join("");
  }

  origin(at: number): number {
    return this.#origins[at] as number;
  }
}
