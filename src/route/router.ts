import type { Program } from "../backend/program.ts";
import { FpmError } from "../base/errors.ts";
import type { FileFacts, FileLookup } from "../base/file-facts.ts";
import type { AppConfig } from "../config/config.ts";
import type { KnownName, ParamChanges, RequestHead } from "../fcgi/head.ts";
import { folderOf, hasExtension, isUnder, pathBytes, programCandidates, scriptPath } from "./script-path.ts";

/** Where a request goes, and what its parameters must say there. */
export interface Route {
  readonly program: Program;
  /** The script's path as the program is told. */
  readonly script: string;
  readonly changes: ParamChanges;
}

interface FoundScript {
  readonly path: string;
  readonly pathInfo: string;
  readonly app: AppConfig;
  readonly facts: FileFacts & { kind: "file" };
}

const NO_CHANGES: ParamChanges = new Map();

/** From a request's head to the program that serves it: canonical path, allowed roots and extensions, permissions. */
export class Router {
  readonly #appFor: (path: string) => AppConfig;
  readonly #lookup: FileLookup;

  constructor(appFor: (path: string) => AppConfig, lookup: FileLookup) {
    this.#appFor = appFor;
    this.#lookup = lookup;
  }

  /** @throws FpmError SCRIPT_MISSING, SCRIPT_INVALID, SCRIPT_NOT_FOUND, SCRIPT_FORBIDDEN. */
  async route(head: RequestHead): Promise<Route> {
    const script = scriptPath(head);
    const found =
      (await this.#find(script.path)) ??
      (script.decoded === undefined ? undefined : await this.#find(script.decoded));
    if (!found) throw notFound(script.path, "no such file with an allowed extension (see `extensions`)");
    await this.#checkAllowed(found);
    return {
      program: programOf(found),
      script: found.path,
      changes: changesFor(head, found),
    };
  }

  /** The longest part of the path that is a file; the rest is PATH_INFO. */
  async #find(path: string): Promise<FoundScript | undefined> {
    const candidates = programCandidates(path, (part) => hasExtension(part, this.#appFor(part).extensions));
    for (const candidate of candidates) {
      const facts = await this.#lookup(candidate);
      if (facts.kind === "denied") throw forbidden(candidate, "a folder on its path may not be searched");
      if (facts.kind !== "file") continue;
      return { path: candidate, pathInfo: path.slice(candidate.length), app: this.#appFor(candidate), facts };
    }
    return undefined;
  }

  async #checkAllowed(found: FoundScript): Promise<void> {
    const { path, app, facts } = found;
    if (!(await this.#underRoots(facts.realPath, app.roots))) {
      throw notFound(path, `it resolves to ${facts.realPath}, which lies under none of \`roots\``);
    }
    if (!hasExtension(facts.realPath, app.extensions)) {
      throw notFound(path, `it resolves to ${facts.realPath}, which has none of the allowed extensions`);
    }
    if (app.command ? !facts.readable : !facts.executable) {
      throw forbidden(
        path,
        app.command ? "the file is not readable" : "the file is not executable (chmod +x)",
      );
    }
  }

  async #underRoots(realPath: string, roots: readonly string[]): Promise<boolean> {
    if (roots.length === 0 || roots.some((root) => isUnder(realPath, root))) return true;
    for (const root of roots) {
      const facts = await this.#lookup(root);
      if (facts.kind === "other" && isUnder(realPath, facts.realPath)) return true;
    }
    return false;
  }
}

function programOf({ path, app, facts }: FoundScript): Program {
  if (app.command) {
    const argv = app.command as readonly [string, ...string[]];
    const name = `${argv[0]} (${app.id})`;
    return { key: `command ${app.id}`, name, argv, cwd: app.cwd || "/", generation: "", app };
  }
  const cwd = app.cwd || folderOf(path);
  return { key: path, name: path, argv: [path], cwd, generation: facts.identity, app };
}

/** SCRIPT_FILENAME as found, and PATH_INFO and SCRIPT_NAME where the web server left PATH_INFO inside. */
function changesFor(head: RequestHead, { path, pathInfo }: FoundScript): ParamChanges {
  const wanted = pathBytes(path);
  if (pathInfo === "" && head.known.SCRIPT_FILENAME === wanted) return NO_CHANGES;
  const changes = new Map<KnownName, string>([["SCRIPT_FILENAME", wanted]]);
  if (pathInfo !== "") {
    const info = pathBytes(pathInfo);
    changes.set("PATH_INFO", info);
    const name = head.known.SCRIPT_NAME ?? "";
    if (name.endsWith(info)) changes.set("SCRIPT_NAME", name.slice(0, name.length - info.length));
  }
  return changes;
}

function notFound(path: string, why: string): FpmError {
  return new FpmError("SCRIPT_NOT_FOUND", "client", `${path}: ${why}.`);
}

function forbidden(path: string, why: string): FpmError {
  return new FpmError("SCRIPT_FORBIDDEN", "client", `${path}: ${why}.`);
}
