import type { Role } from "../config/app-for.ts";
import type { AppConfig } from "../config/config.ts";
import { launchSettingsOf, type Program } from "../start/program.ts";
import type { Candidate } from "./reading.ts";
import { folderOf } from "./script-path.ts";

/** A path that goes to a program. */
export type Routed = Candidate & {
  /** Whom it runs as, where that is the owner of its file. */
  readonly owner?: number | undefined;
};

/** The program that serves it; `version` is that of its files. */
export function programOf(found: Routed, version: string, role: Role): Program {
  const { asked, path, app, owner } = found;
  const ownedFile = ownedFileOf(found);
  const file = isShared(app) ? "" : path;
  const generation = JSON.stringify([version, owner, ownedFile, file, launchSettingsOf(app)]);
  const common = {
    script: asked,
    cwd: workingFolder(found),
    owner,
    ownedFile,
    version,
    generation,
    role,
    app,
  };
  const [command, ...options] = app.command ?? [];
  if (command === undefined)
    return { ...common, key: keyOf(asked, role), name: keyOf(asked, role), argv: [path] };
  if (app.protocol === "cgi")
    return {
      ...common,
      key: keyOf(asked, role),
      name: keyOf(asked, role),
      argv: [command, ...options, path],
    };
  const whose = keyOf(owner === undefined ? app.id : `${app.id}, user ${owner}`, role);
  const name = app.isNamed ? whose : `${command} (${whose})`;
  return { ...common, key: `command ${whose}`, name, argv: [command, ...options] };
}

function keyOf(what: string, role: Role): string {
  return role === "authorizer" ? `${what}, authorizer` : what;
}

/** Where its processes begin, and what `restart_on_change` is relative to. */
export function workingFolder({ path, app }: Candidate): string {
  return app.cwd || (isShared(app) ? "/" : folderOf(path));
}

/** The file that every process of it runs as its owner. */
export function ownedFileOf({ path, app, owner }: Routed): string | undefined {
  return owner === undefined || isShared(app) ? undefined : path;
}

/** Whether one process of it serves any file. */
function isShared({ command, protocol }: AppConfig): boolean {
  return command !== undefined && protocol === "fastcgi";
}
