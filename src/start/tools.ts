import { accessSync, constants } from "node:fs";
import { FpmError } from "../base/errors.ts";
import { decidesWhatIsLoaded, type ToolName, type Tools } from "./chain.ts";

/** Where an administrator's tools are; no folder of the environment's PATH is looked into. */
const FOLDERS = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
const PACKAGES: Readonly<Record<ToolName, string>> = {
  prlimit: "util-linux",
  setpriv: "util-linux",
  nice: "coreutils",
  env: "coreutils",
};

/** The tools of the chain, looked up once. @throws FpmError SPAWN_FAILED when one is not there that is asked for. */
export function findTools(): Tools {
  const found = new Map<ToolName, string>();
  const path = (name: ToolName): string => {
    const known = found.get(name) ?? locate(name);
    if (known === undefined) throw new FpmError("SPAWN_FAILED", "daemon", missing(name));
    found.set(name, known);
    return known;
  };
  return {
    get prlimit() {
      return path("prlimit");
    },
    get nice() {
      return path("nice");
    },
    get setpriv() {
      return path("setpriv");
    },
    get env() {
      return path("env");
    },
  };
}

/** Settings of a program that ask for tools. */
export interface Demands {
  readonly user?: string;
  readonly group?: string;
  readonly limits?: object;
  readonly nice?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** What is missing of the tools that programs with these settings are started with, in words. */
export function missingTools(demands: readonly Demands[]): string[] {
  const names = new Set<ToolName>(["setpriv"]);
  for (const { user = "", group = "", limits = {}, nice = 0, env = {} } of demands) {
    if (user !== "" || group !== "" || Object.keys(limits).length > 0) names.add("prlimit");
    if (user !== "" || group !== "") names.add("env");
    if (nice !== 0) names.add("nice");
    if (Object.entries(env).some(([name, value]) => decidesWhatIsLoaded(`${name}=${value}`)))
      names.add("env");
  }
  return [...names].filter((name) => locate(name) === undefined).map(missing);
}

function locate(name: ToolName): string | undefined {
  return FOLDERS.map((folder) => `${folder}/${name}`).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function missing(name: ToolName): string {
  return `${name}(1) is missing, with which programs are started: install ${PACKAGES[name]}`;
}
