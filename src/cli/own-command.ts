import { realpathSync } from "node:fs";
import { resolve } from "node:path";

/**
 * The command that starts a daemon like this one again, when its file may have been replaced, with this configuration file where one was
 * named; from any folder. Called at the start: later the kernel may know the executable as deleted.
 */
export function ownCommand(configFile: string | undefined): string[] {
  const isCompiled = Bun.main.startsWith("/$bunfs/");
  const config = configFile === undefined ? [] : ["--config", configFile];
  return [executablePath(), ...(isCompiled ? [] : [Bun.main]), "serve", ...config];
}

/** As it was named, so that a link that points to another version by then is followed anew. */
function executablePath(): string {
  const { argv0, execPath } = process;
  if (!argv0.includes("/")) return execPath;
  const named = resolve(argv0);
  try {
    return realpathSync(named) === execPath ? named : execPath;
  } catch {
    return execPath;
  }
}
