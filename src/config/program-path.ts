import type { AppConfig } from "./config.ts";

/** The settings that say which names are those of programs. */
export type ProgramNames = Pick<AppConfig, "extensions" | "extensionsIgnoreCase" | "namesPath">;

/** Whether a file at `path` may be a program under these settings: they name it as it is, or its name is one of theirs. */
export function isProgramName(path: string, names: ProgramNames): boolean {
  return names.namesPath || hasExtension(path, names);
}

/**
 * Whether the file's name carries one of the endings and more than that, or is one of the whole names; "" stands for every name that does not
 * begin with a dot.
 */
export function hasExtension(
  path: string,
  { extensions, extensionsIgnoreCase }: Omit<ProgramNames, "namesPath">,
): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (name === "") return false;
  const [compared, wanted] = extensionsIgnoreCase
    ? [name.toLowerCase(), extensions.map((each) => each.toLowerCase())]
    : [name, extensions];
  return wanted.some((each) => {
    if (each === "") return !name.startsWith(".");
    return each.startsWith(".")
      ? compared.length > each.length && compared.endsWith(each)
      : compared === each;
  });
}

/** The PHP of a command, if any: behind chroot(8) or env(1) it is not the first word. */
export function phpOf(command: readonly string[]): string | undefined {
  return command.find((word) => word.startsWith("php", word.lastIndexOf("/") + 1));
}

/** Whether `path` lies below the folder `root`. */
export function isUnder(path: string, root: string): boolean {
  return path.startsWith(root.endsWith("/") ? root : `${root}/`);
}
