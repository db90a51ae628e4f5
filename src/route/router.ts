import { FpmError } from "../base/errors.ts";
import type { FileFacts, FileLookup, TrailLookup } from "../base/file-facts.ts";
import type { AppFor } from "../config/app-for.ts";
import type { AppConfig } from "../config/config.ts";
import type { KnownName, ParamChanges, RequestHead } from "../fcgi/head.ts";
import { ownerProblem } from "../start/owner-rules.ts";
import { launchSettingsOf, type Program } from "../start/program.ts";
import {
  decodedPath,
  folderOf,
  hasExtension,
  isUnder,
  pathBytes,
  programCandidates,
  scriptPath,
} from "./script-path.ts";

/** Where a request goes, and what its parameters must say there. */
export interface Route {
  readonly program: Program;
  /** The script's path as the program is told. */
  readonly script: string;
  readonly changes: ParamChanges;
}

/** A part of a request's path that may be the program, with the settings that hold for it. */
interface Candidate {
  /** As the request has it: the program's name. */
  readonly asked: string;
  /** What is run, and what the program is told: the same, or with every link resolved. */
  readonly path: string;
  readonly pathInfo: string;
  readonly app: AppConfig;
}

interface FoundScript extends Candidate {
  readonly facts: FileFacts & { kind: "file" };
  /** Whom it runs as, where that is its owner. */
  readonly owner?: number;
}

/** What the router asks the disk. */
export interface RouterDisk {
  readonly lookup: FileLookup;
  /** For files that need not exist. */
  readonly watched: FileLookup;
  readonly trail: TrailLookup;
}

/** What a SCRIPT_FILENAME may mean, in the order it is tried. */
interface Reading {
  readonly path: string;
  readonly candidates: readonly Candidate[];
  /** Where the last request went that asked for it. */
  known?: KnownRoute | undefined;
}

/** A route that holds as long as the disk says the same of the candidates up to the one that was found. */
interface KnownRoute {
  readonly facts: readonly FileFacts[];
  readonly found: FoundScript;
  readonly route: Route;
}

const NO_CHANGES: ParamChanges = new Map();
/** How many SCRIPT_FILENAMEs are remembered as read, and programs as made. */
const MAX_REMEMBERED = 1024;

/** From a request's head to the program that serves it: canonical path, allowed roots and extensions, permissions. */
export class Router {
  #appFor: AppFor;
  readonly #disk: RouterDisk;
  /** A site asks for the same few scripts again and again. */
  readonly #readings = new Map<string, Reading>();
  readonly #programs = new Map<string, Program>();

  constructor(appFor: AppFor, disk: RouterDisk) {
    this.#appFor = appFor;
    this.#disk = disk;
  }

  /** Settings for paths are asked anew from now on. */
  reload(appFor: AppFor): void {
    this.#appFor = appFor;
    this.#readings.clear();
    this.#programs.clear();
  }

  /**
   * A promise only where the disk must be asked.
   * @throws FpmError SCRIPT_MISSING, SCRIPT_INVALID, SCRIPT_NOT_FOUND, SCRIPT_FORBIDDEN.
   */
  route(head: RequestHead): Route | Promise<Route> {
    const reading = this.#read(head);
    const { known } = reading;
    if (!known || !this.#stillHolds(reading, known)) return this.#routeAnew(head, reading);
    // One whose parameters stay as they are is the same for every request.
    return known.route.changes === NO_CHANGES ? known.route : routeOf(head, known.found, known.route.program);
  }

  async #routeAnew(head: RequestHead, reading: Reading): Promise<Route> {
    const facts: FileFacts[] = [];
    const found = await this.#find(reading, facts);
    const { app, owner } = found;
    const program = await this.#programOf(found);
    const route = routeOf(head, found, program);
    // What depends on more files than the candidates is looked at each time.
    const isKnown = owner === undefined && app.restartOnChange.length === 0;
    reading.known = isKnown ? { facts, found, route } : undefined;
    return route;
  }

  #stillHolds({ candidates }: Reading, { facts }: KnownRoute): boolean {
    for (let i = 0; i < facts.length; i++)
      if (this.#disk.lookup((candidates[i] as Candidate).path) !== facts[i]) return false;
    return true;
  }

  /** The program that a request for this path would go to. @throws FpmError SCRIPT_NOT_FOUND, SCRIPT_FORBIDDEN. */
  async find(path: string): Promise<Program> {
    return await this.#programOf(await this.#find({ path, candidates: this.#candidates(path) }));
  }

  /**
   * The program that a pool was made for as the settings have it now; undefined where they have it no longer. A script that is missing says
   * nothing of them: it may be in the middle of a deployment, and of an interpreter it is only the one that was asked for first.
   */
  async findAgain(known: Program): Promise<Program | undefined> {
    const candidate = this.#candidates(known.script).find(({ path }) => path === known.script);
    if (!candidate) return undefined;
    const { kind } = await this.#disk.lookup(known.script);
    if (kind === "file") {
      const found = await this.find(known.script).catch(undefinedIfRefused);
      return found?.key === known.key ? found : undefined;
    }
    if (!candidate.app.command) return known;
    const program = programOf(candidate, known.version, known.owner);
    return program.key === known.key ? program : undefined;
  }

  /** `seen` gets what the disk said of each candidate. */
  async #find(reading: Reading, seen: FileFacts[] = []): Promise<FoundScript> {
    for (const candidate of reading.candidates) {
      const facts = await this.#disk.lookup(candidate.path);
      seen.push(facts);
      if (facts.kind === "denied")
        throw forbidden(candidate.path, "a folder on its path may not be searched");
      if (facts.kind !== "file") continue;
      const found = { ...this.#underRealPath(candidate, facts.realPath), facts };
      if (found.app.user === "owner") return await this.#findOwned(found);
      await this.#checkAllowed(found);
      return found;
    }
    throw notFound(reading.path, "no such file with an allowed extension (see `extensions`)");
  }

  /** Where tables hold for the file that do not match the name it was asked by, what they are for is run: the file itself. */
  #underRealPath(candidate: Candidate, realPath: string): Candidate {
    const { asked } = candidate;
    if (realPath === asked) return candidate;
    const app = this.#appFor(asked, realPath);
    if (app === candidate.app) return candidate;
    return { ...candidate, app, path: realPath, asked: app === this.#appFor(realPath) ? realPath : asked };
  }

  /** The file itself, whose owner it runs as: a name of it may lead elsewhere in a moment. */
  async #findOwned(candidate: Candidate): Promise<FoundScript> {
    const { asked } = candidate;
    const trail = await this.#disk.trail(asked);
    const facts = trail && (await this.#disk.lookup(trail.realPath));
    const app = this.#appFor(asked, trail?.realPath);
    if (facts?.kind !== "file" || facts.realPath !== trail?.realPath || app.user !== "owner")
      throw forbidden(asked, "what it leads to is being changed");
    const problem = ownerProblem(trail, app.lowestUid);
    if (problem) throw forbidden(asked, problem);
    const found = { ...candidate, app, path: trail.realPath, facts, owner: facts.uid };
    await this.#checkAllowed(found);
    return found;
  }

  #read(head: RequestHead): Reading {
    const given = head.value("SCRIPT_FILENAME") ?? "";
    const known = given === "" ? undefined : this.#readings.get(given);
    if (known) return known;
    const { path, decoded } = scriptPath(head);
    const candidates = this.#candidates(path);
    const reading: Reading =
      decoded === undefined
        ? { path, candidates }
        : { path, candidates: [...candidates.map(withDecodedInfo), ...this.#candidates(decoded)] };
    if (given !== "") remember(this.#readings, given, reading);
    return reading;
  }

  /** The parts of the path that may be a file, longest first; the rest is PATH_INFO. */
  #candidates(path: string): Candidate[] {
    const parts = programCandidates(path, (part) => hasExtension(part, this.#appFor(part).extensions));
    return parts.map((part) => ({
      asked: part,
      path: part,
      pathInfo: path.slice(part.length),
      app: this.#appFor(part),
    }));
  }

  /** The same object for the same version of the same program. A promise only where its settings ask for more of the disk. */
  #programOf(found: FoundScript): Program | Promise<Program> {
    const { app, facts } = found;
    const version = app.command || app.protocol === "cgi" ? "" : facts.identity;
    return app.restartOnChange.length === 0 ? this.#known(found, version) : this.#lookFurther(found, version);
  }

  #known(found: FoundScript, version: string): Program {
    const { asked, owner } = found;
    const known = this.#programs.get(asked);
    if (known?.version === version && known.owner === owner && known.ownedFile === ownedFileOf(found))
      return known;
    const program = programOf(found, version, owner);
    remember(this.#programs, asked, program);
    return program;
  }

  /** The versions of files that count as part of the program. */
  async #lookFurther(found: FoundScript, version: string): Promise<Program> {
    const { app } = found;
    const versions = [version];
    for (const file of app.restartOnChange) {
      const further = await this.#disk.watched(
        file.startsWith("/") ? file : `${workingFolder(found)}/${file}`,
      );
      versions.push(further.kind === "file" ? further.identity : further.kind);
    }
    return this.#known(found, versions.join(" "));
  }

  async #checkAllowed(found: FoundScript): Promise<void> {
    const { path, app, facts } = found;
    const isInside = app.roots.length === 0 || (await this.#underRoots(facts.realPath, app.roots));
    if (!isInside) {
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
    if (roots.some((root) => isUnder(realPath, root))) return true;
    for (const root of roots) {
      const facts = await this.#disk.lookup(root);
      if (facts.kind === "other" && isUnder(realPath, facts.realPath)) return true;
    }
    return false;
  }
}

/** A `%` in the name of the file that is found is meant; PATH_INFO is never percent-encoded. */
function withDecodedInfo(candidate: Candidate): Candidate {
  return { ...candidate, pathInfo: decodedPath(candidate.pathInfo) };
}

function undefinedIfRefused(error: unknown): undefined {
  if (!(error instanceof FpmError)) throw error;
}

function routeOf(head: RequestHead, found: FoundScript, program: Program): Route {
  return { program, script: found.path, changes: changesFor(head, found) };
}

function workingFolder({ path, app }: Candidate): string {
  return app.cwd || (app.command && app.protocol === "fastcgi" ? "/" : folderOf(path));
}

function programOf(found: Candidate, version: string, owner: number | undefined): Program {
  const { asked, path, app } = found;
  const ownedFile = ownedFileOf({ ...found, owner });
  const generation = `${version} ${owner ?? ""} ${ownedFile ?? ""} ${launchSettingsOf(app)}`;
  const common = { script: asked, cwd: workingFolder(found), owner, ownedFile, version, generation, app };
  if (!app.command) return { ...common, key: asked, name: asked, argv: [path] };
  const argv = app.command as readonly [string, ...string[]];
  if (app.protocol === "cgi") return { ...common, key: asked, name: asked, argv: [...argv, path] };
  const whose = owner === undefined ? app.id : `${app.id}, user ${owner}`;
  return { ...common, key: `command ${whose}`, name: app.isNamed ? whose : `${argv[0]} (${whose})`, argv };
}

function ownedFileOf({
  path,
  app,
  owner,
}: Candidate & { readonly owner?: number | undefined }): string | undefined {
  const isShared = app.command !== undefined && app.protocol === "fastcgi";
  return owner === undefined || isShared ? undefined : path;
}

/** SCRIPT_FILENAME as found, and PATH_INFO and SCRIPT_NAME where the web server left PATH_INFO inside. */
function changesFor(head: RequestHead, { path, pathInfo }: FoundScript): ParamChanges {
  const wanted = pathBytes(path);
  if (pathInfo === "" && head.value("SCRIPT_FILENAME") === wanted) return NO_CHANGES;
  const changes = new Map<KnownName, string>([["SCRIPT_FILENAME", wanted]]);
  if (pathInfo !== "") {
    const info = pathBytes(pathInfo);
    changes.set("PATH_INFO", info);
    const name = head.value("SCRIPT_NAME") ?? "";
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

/** Keeps the newest MAX_REMEMBERED. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > MAX_REMEMBERED) map.delete(map.keys().next().value as string);
}
