import { FpmError } from "../base/errors.ts";
import type { FileFacts, FileLookup, TrailLookup, VersionLookup } from "../base/file-facts.ts";
import { remember } from "../base/remembering.ts";
import type { Role } from "../config/app-for.ts";
import type { AppFor } from "../config/config.ts";
import { hasExtension, isProgramName, isUnder } from "../config/program-path.ts";
import type { ParamChanges, RequestHead } from "../fcgi/head.ts";
import { ownerProblem } from "../start/owner-rules.ts";
import type { Program } from "../start/program.ts";
import { changesFor, mayMislead, NO_CHANGES } from "./param-changes.ts";
import { type Candidate, type Reading, readPath, readScripts } from "./reading.ts";
import { ownedFileOf, programOf, type Routed, workingFolder } from "./routed-program.ts";
import { ScriptMemory } from "./script-memory.ts";
import { givenScripts, pathBytes } from "./script-path.ts";

/** Where a request goes, and what its parameters must say there. */
export interface Route {
  readonly program: Program;
  /** The script's path as the program is told. */
  readonly script: string;
  readonly changes: ParamChanges;
}

/** What a path leads to: a file, or with `any_path` whatever it names. */
interface FoundScript extends Routed {
  readonly facts: (FileFacts & { kind: "file" }) | undefined;
}

type FoundFile = FoundScript & { readonly facts: FileFacts & { kind: "file" } };

/** What the router asks the disk. */
export interface RouterDisk {
  readonly lookup: FileLookup;
  /** What `restart_on_change` names, in absolute paths. */
  readonly watched: VersionLookup;
  /** The executables of commands. */
  readonly executable: VersionLookup;
  readonly trail: TrailLookup;
}

/** What the disk said of a path. */
interface Seen {
  readonly path: string;
  readonly facts: FileFacts;
}

/** What `restart_on_change` names, or a command's executable, and its version. */
interface Watched {
  /** By whom it is known. */
  readonly lookup: "watched" | "executable";
  readonly path: string;
  readonly version: string;
}

/** A route that holds as long as the disk says the same of the paths that were looked at. */
interface KnownRoute {
  readonly seen: readonly Seen[];
  readonly watched: readonly Watched[];
  readonly found: FoundScript;
  readonly route: Route;
}

/** A program as made, and of what: under the same name a link may lead to another file tomorrow, for which other tables hold. */
interface KnownProgram extends Pick<FoundScript, "app" | "path"> {
  readonly program: Program;
}

/** A SCRIPT_FILENAME as read, and where the last request went that asked for it. */
interface ReadScript {
  readonly reading: Reading;
  known?: KnownRoute | undefined;
}

/** How many programs are remembered as made. */
const MAX_REMEMBERED = 1024;

/** From the path of a request in one role to the program that serves it: canonical path, allowed roots and names, permissions. */
export class PathRouter {
  readonly #role: Role;
  #appFor: AppFor;
  readonly #disk: RouterDisk;
  /** A site asks for the same few scripts again and again. */
  readonly #readings = new ScriptMemory<ReadScript>();
  readonly #programs = new Map<string, KnownProgram>();

  constructor(role: Role, appFor: AppFor, disk: RouterDisk) {
    this.#role = role;
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
   * Where a request goes that asks at `now`, which is the present where it is not told: a promise only where the disk must be asked.
   * @throws FpmError SCRIPT_MISSING, SCRIPT_INVALID, SCRIPT_NOT_FOUND, SCRIPT_FORBIDDEN.
   */
  route(head: RequestHead, now?: number): Route | Promise<Route> {
    const read = this.#read(head);
    const { known } = read;
    if (!known || !this.#stillHolds(known, now)) return this.#routeAnew(head, read);
    // One whose parameters stay as they are is the same for every request that says no more of the script than that one.
    const isSame = known.route.changes === NO_CHANGES && !mayMislead(head);
    return isSame ? known.route : routeOf(head, known.found, known.route.program);
  }

  /** Whether the settings of what a request may go to say `spool = "never"`, as far as its path tells. */
  isStreamed(head: RequestHead): boolean {
    try {
      const { reading, known } = this.#read(head);
      if (known) return known.found.app.spool === "never";
      return [...reading.ways.flat(), reading.virtual].some((each) => each?.app.spool === "never");
    } catch (error) {
      // The same error is the answer in a moment.
      if (!(error instanceof FpmError)) throw error;
      return false;
    }
  }

  async #routeAnew(head: RequestHead, read: ReadScript): Promise<Route> {
    const seen: Seen[] = [];
    const found = await this.#find(read.reading, seen);
    const watched = await this.#watch(found);
    const route = routeOf(head, found, this.#programOf(found, watched));
    // The way to an owner's file is looked at each time.
    read.known = found.owner === undefined ? { seen, watched, found, route } : undefined;
    return route;
  }

  #stillHolds({ seen, watched }: KnownRoute, now?: number): boolean {
    for (const { path, facts } of seen) if (this.#disk.lookup(path, now) !== facts) return false;
    for (const { lookup, path, version } of watched)
      if (this.#disk[lookup](path, now) !== version) return false;
    return true;
  }

  /** The program that a request for this path would go to. @throws FpmError SCRIPT_INVALID, SCRIPT_NOT_FOUND, SCRIPT_FORBIDDEN. */
  async find(path: string): Promise<Program> {
    const found = await this.#find(readPath(path, this.#appFor));
    return this.#programOf(found, await this.#watch(found));
  }

  /**
   * The program that a pool was made for as the settings have it now; undefined where they have it no longer. A script that is missing says
   * nothing of them: it may be in the middle of a deployment, and of an interpreter it is only the one that was asked for first.
   */
  async findAgain(known: Program): Promise<Program | undefined> {
    try {
      return await this.#findAgain(known);
    } catch (error) {
      // A disk that does not answer says nothing of them either.
      if (error instanceof FpmError && error.code === "DISK_STANDS") return known;
      throw error;
    }
  }

  async #findAgain(known: Program): Promise<Program | undefined> {
    const { ways, virtual } = readPath(known.script, this.#appFor);
    const candidate = [...ways.flat(), virtual].find((each) => each?.path === known.script);
    if (!candidate) return undefined;
    const { kind } = await this.#disk.lookup(known.script);
    if (kind === "file" || candidate === virtual) {
      const found = await this.find(known.script).catch(undefinedIfRefused);
      return found?.key === known.key ? found : undefined;
    }
    if (!candidate.app.command) return known;
    const program = programOf({ ...candidate, owner: known.owner }, known.version, this.#role);
    return program.key === known.key ? program : undefined;
  }

  /** `seen` gets what the disk said of the paths that were looked at. */
  async #find(reading: Reading, seen: Seen[] = []): Promise<FoundScript> {
    for (const way of reading.ways) {
      for (const candidate of way) {
        const facts = await this.#disk.lookup(candidate.path);
        seen.push({ path: candidate.path, facts });
        if (facts.kind === "denied")
          throw forbidden(candidate.path, "a folder on its path may not be searched");
        // Nothing is below what is not there.
        if (facts.kind === "missing") break;
        if (facts.kind === "file") return await this.#findFile(candidate, facts);
      }
    }
    if (reading.virtual) return this.#findVirtual(reading.virtual);
    throw notFound(
      reading.path,
      "no such file with an allowed name (see `extensions`; a `match` without * names a file as it is)",
    );
  }

  async #findFile(candidate: Candidate, facts: FileFacts & { kind: "file" }): Promise<FoundScript> {
    const found = { ...this.#underRealPath(candidate, facts.realPath), facts };
    if (found.app.user === "owner") return await this.#findOwned(found);
    await this.#checkAllowed(found, candidate);
    return found;
  }

  /** Nothing of the disk is run or shown: it is only compared with `roots`. */
  #findVirtual(candidate: Candidate): FoundScript {
    const { path, app } = candidate;
    if (!app.command || app.protocol !== "fastcgi")
      throw forbidden(path, "`any_path` is for a `command` that speaks FastCGI");
    if (app.user === "owner")
      throw forbidden(path, 'with `any_path` there is no file whose owner `user = "owner"` could be');
    if (app.roots.length > 0 && !app.roots.some((root) => path === root || isUnder(path, root)))
      throw notFound(path, "it lies under none of `roots`");
    return { ...candidate, facts: undefined };
  }

  /** Where tables hold for the file that do not match the name it was asked by, what they are for is run: the file itself. */
  #underRealPath(candidate: Candidate, realPath: string): Candidate {
    const { asked } = candidate;
    if (realPath === asked) return candidate;
    const app = this.#appFor(asked, realPath);
    if (app === candidate.app) return candidate;
    const name = app === this.#appFor(realPath) ? realPath : asked;
    return { ...candidate, app, path: realPath, told: pathBytes(realPath), asked: name };
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
    const path = trail.realPath;
    const found = { ...candidate, app, path, told: pathBytes(path), facts, owner: facts.uid };
    await this.#checkAllowed(found, candidate);
    return found;
  }

  #read(head: RequestHead): ReadScript {
    const known = this.#readings.get(head);
    if (known) return known;
    const read: ReadScript = { reading: readScripts(givenScripts(head), this.#appFor) };
    this.#readings.set(head, read);
    return read;
  }

  /** The versions of the files that count as part of the program. */
  async #watch(found: FoundScript): Promise<Watched[]> {
    const watched: Watched[] = [];
    const note = async (lookup: Watched["lookup"], path: string) =>
      watched.push({ lookup, path, version: await this.#disk[lookup](path) });
    const { command: [executable] = [], protocol, restartOnChange } = found.app;
    // A process of plain CGI runs what is there when it begins.
    if (executable !== undefined && protocol === "fastcgi") await note("executable", executable);
    for (const file of restartOnChange)
      await note("watched", file.startsWith("/") ? file : `${workingFolder(found)}/${file}`);
    return watched;
  }

  /** The same object for the same version of the same program. */
  #programOf(found: FoundScript, watched: readonly Watched[]): Program {
    const { app, facts, asked, path, owner } = found;
    const isRead = !app.command && app.protocol === "fastcgi";
    const own = isRead ? (facts?.identity ?? "") : "";
    const version = [own, ...watched.map((each) => each.version)].join(" ");
    const known = this.#programs.get(asked);
    if (known?.app === app && known.path === path) {
      const { program } = known;
      if (program.version === version && program.owner === owner && program.ownedFile === ownedFileOf(found))
        return program;
    }
    const program = programOf(found, version, this.#role);
    remember(this.#programs, asked, { program, app, path }, MAX_REMEMBERED);
    return program;
  }

  async #checkAllowed(found: FoundFile, own: Candidate): Promise<void> {
    const { path, app, facts } = found;
    const { realPath } = facts;
    const isInside = app.roots.length === 0 || (await this.#underRoots(realPath, app.roots));
    if (!isInside) throw notFound(path, `it resolves to ${realPath}, which lies under none of \`roots\``);
    // An interpreter would show what another file holds; what is executed must only be called a program.
    // Of a file that a table names, a link in its folders' place leads to one of the same name.
    const isSame = own.app.namesPath && nameOf(realPath) === nameOf(own.asked);
    const isTarget = isSame || hasExtension(realPath, app) || this.#appFor(realPath).namesPath;
    if (!isTarget && (app.command || !isProgramName(own.asked, app)))
      throw notFound(path, `it resolves to ${realPath}, which has none of the allowed extensions`);
    if (app.command && !facts.readable) throw forbidden(path, "the file is not readable");
    if (!app.command && !facts.executable) throw forbidden(path, whyNotExecutable(facts));
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

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function undefinedIfRefused(error: unknown): undefined {
  if (!(error instanceof FpmError) || error.code === "DISK_STANDS") throw error;
}

function routeOf(head: RequestHead, found: FoundScript, program: Program): Route {
  return { program, script: found.path, changes: changesFor(head, found) };
}

function whyNotExecutable({ mode, isOnNoexec }: FoundFile["facts"]): string {
  if (isOnNoexec) return "its file system is mounted noexec";
  return (mode & 0o111) === 0
    ? "the file is not executable (chmod +x)"
    : "std-fpm's user may not execute it (chmod a+x)";
}

function notFound(path: string, why: string): FpmError {
  return new FpmError("SCRIPT_NOT_FOUND", "client", `${path}: ${why}.`);
}

function forbidden(path: string, why: string): FpmError {
  return new FpmError("SCRIPT_FORBIDDEN", "client", `${path}: ${why}.`);
}
