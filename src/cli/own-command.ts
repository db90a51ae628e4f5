import { realpathSync } from "node:fs";
import { resolve } from "node:path";

/**
 * The command that started this process, to start it again when its file may have been replaced. Called at the start: later the
 * kernel may know the executable as deleted.
 */
export function ownCommand(): string[] {
  const isCompiled = Bun.main.startsWith("/$bunfs/");
  return [executablePath(), ...process.argv.slice(isCompiled ? 2 : 1)];
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
