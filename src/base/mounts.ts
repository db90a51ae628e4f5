import { readFileSync } from "node:fs";

const MOUNTS = "/proc/self/mountinfo";

/** Whether nothing is executed of the file system that holds a path without links (mount(8), noexec); false where that cannot be told. */
export function isOnNoexec(realPath: string): boolean {
  try {
    return isNoexecIn(readFileSync(MOUNTS, "utf8"), realPath);
  } catch {
    return false;
  }
}

/** Whether a path is on a file system with `noexec`, by the text of /proc/PID/mountinfo (proc(5)). */
export function isNoexecIn(mountinfo: string, realPath: string): boolean {
  let longest = "";
  let isNoexec = false;
  for (const line of mountinfo.split("\n")) {
    const [, , , , where, options = ""] = line.split(" ");
    if (where === undefined) continue;
    const folder = where.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const holds = folder === "/" || realPath === folder || realPath.startsWith(`${folder}/`);
    // Of several at one place the last one is on top.
    if (!holds || folder.length < longest.length) continue;
    longest = folder;
    isNoexec = options.split(",").includes("noexec");
  }
  return isNoexec;
}
