import type { AppConfig, AppFor } from "../config/config.ts";
import { isProgramName } from "../config/program-path.ts";
import {
  type GivenScript,
  invalidScript,
  type PathPart,
  pathBytes,
  pathParts,
  percentDecode,
  plainText,
  unsafety,
  wholeProblem,
} from "./script-path.ts";

/** How many parts of a path are tried as a program. */
const MAX_CANDIDATES = 64;
/** As much of a path without a file is compared with `match`. */
const LONGEST_COMPARED = 4095;

/** A part of a request's path that may be the program, with the settings that hold for it. */
export interface Candidate {
  /** As the request has it: the program's name. */
  readonly asked: string;
  /** What is run, and what the program is told: the same, or with every link resolved. */
  readonly path: string;
  /** What it is told of `path`, and what follows it: a character a byte. Many are tried, and one is told. */
  readonly told: string;
  readonly pathInfo: string;
  readonly app: AppConfig;
}

/** What a request's path may mean. */
export interface Reading {
  /** The path as messages show it. */
  readonly path: string;
  /** Ways to read it, in the order they are tried; of each the parts that may be a program, the shortest first. */
  readonly ways: readonly (readonly Candidate[])[];
  /** What serves it where none of them is a file: with `any_path` it need not be one. */
  readonly virtual: Candidate | undefined;
}

/** Reads what a web server sent. @throws FpmError SCRIPT_INVALID where it can be no program's path in any way. */
export function readScripts(given: readonly GivenScript[], appFor: AppFor): Reading {
  const last = given.at(-1) as GivenScript;
  const ways: (readonly Candidate[])[] = [];
  let virtual: Candidate | undefined;
  for (const script of given) {
    const decoded = decodedForm(script);
    const unsafe = unsafety(script) ?? (decoded && unsafety(decoded));
    if (unsafe === undefined) {
      ways.push(...waysOf(script, decoded, appFor));
      if (appFor.servesAnyPath !== false) virtual ??= virtualOf(decoded ?? script, appFor);
    } else if (script === last && ways.length === 0) throw invalidScript(script, unsafe);
  }
  const isHopeless = !virtual && ways.every((way) => way.length === 0);
  const problem = isHopeless ? wholeProblem(last.path) : undefined;
  if (problem !== undefined) throw invalidScript(last, problem);
  return { path: plainText(last.path), ways, virtual };
}

/** Reads a path of our own. @throws FpmError SCRIPT_INVALID. */
export function readPath(path: string, appFor: AppFor): Reading {
  return readScripts([{ source: "the path", path: pathBytes(path), isEncoded: false }], appFor);
}

/** A `%` in the name of a file that is found is meant; PATH_INFO is never percent-encoded. */
function waysOf(script: GivenScript, decoded: GivenScript | undefined, appFor: AppFor): Candidate[][] {
  const parts = pathParts(script.path);
  if (!decoded) return [candidatesOf(parts, appFor)];
  return [candidatesOf(parts, appFor, percentDecode), candidatesOf(pathParts(decoded.path), appFor)];
}

function decodedForm(script: GivenScript): GivenScript | undefined {
  const path = script.isEncoded ? percentDecode(script.path) : script.path;
  return path === script.path ? undefined : { ...script, path };
}

function candidatesOf(parts: readonly PathPart[], appFor: AppFor, infoOf = asItCame): Candidate[] {
  const candidates: Candidate[] = [];
  for (const part of parts) {
    const app = appFor(part.path);
    if (app.anyPath || !isProgramName(part.path, app)) continue;
    candidates.push(candidateAt(part, app, infoOf));
    if (candidates.length === MAX_CANDIDATES) break;
  }
  return candidates;
}

/** With `any_path`: the whole path where it matches, as it came, else the longest part that does, and what follows is PATH_INFO. */
function virtualOf({ path }: GivenScript, appFor: AppFor): Candidate | undefined {
  const whole = plainText(path).slice(0, LONGEST_COMPARED);
  // What is for all below a folder is for the folder itself: a site's root often comes without its slash.
  const app = [whole, `${whole}/`].map((each) => appFor(each)).find(({ anyPath }) => anyPath);
  if (app) return { asked: whole, path: whole, told: path, pathInfo: "", app };
  const part = pathParts(path).findLast((each) => appFor(each.path).anyPath);
  return part && candidateAt(part, appFor(part.path));
}

function candidateAt({ path, rest }: PathPart, app: AppConfig, infoOf = asItCame): Candidate {
  return {
    asked: path,
    path,
    told: pathBytes(path),
    get pathInfo() {
      return infoOf(rest);
    },
    app,
  };
}

function asItCame(rest: string): string {
  return rest;
}
