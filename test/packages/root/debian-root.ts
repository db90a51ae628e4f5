import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

/** A fresh Debian in a folder of its own. */
export interface DebianRoot extends Disposable {
  readonly path: string;
  at(...names: string[]): string;
  /** Runs a command in it and gives its output; fails when that fails. */
  run(...command: [string, ...string[]]): string;
  /** Starts a command in it. */
  start(
    options: { user?: string; environment?: Record<string, string> },
    ...command: string[]
  ): Bun.Subprocess<"ignore", "pipe", "pipe">;
  /** Every file, folder and link, but those that dpkg and apt keep about themselves. */
  files(): string[];
}

/** Installs Debian and these packages. Needs root. */
export function makeDebianRoot(packages: readonly string[]): DebianRoot {
  const path = resolve("dist/debian-root");
  removeRoot(path);
  mkdirSync(path, { recursive: true });
  sh("debootstrap", "--variant=minbase", `--include=${packages.join(",")}`, "bookworm", path);
  // Nothing is started by its installation: there is no init.
  writeFileSync(join(path, "usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  sh("mount", "--bind", "/proc", join(path, "proc"));
  const inRoot = (...command: string[]) => ["chroot", path, ...command];
  return {
    path,
    at: (...names) => join(path, ...names),
    run: (...command) =>
      sh(
        "env",
        "-i",
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        "DEBIAN_FRONTEND=noninteractive",
        ...inRoot(...command),
      ),
    start: ({ user, environment = {} }, ...command) =>
      Bun.spawn(["chroot", ...(user ? [`--userspec=${user}`] : []), path, ...command], {
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...environment },
        stdio: ["ignore", "pipe", "pipe"],
      }),
    files: () =>
      sh(
        "find",
        path,
        "-xdev",
        "-not",
        "-path",
        `${path}/proc*`,
        "-not",
        "-path",
        `${path}/var/lib/dpkg*`,
        "-not",
        "-path",
        `${path}/var/cache*`,
        "-not",
        "-path",
        `${path}/var/lib/apt*`,
        "-not",
        "-path",
        `${path}/var/log*`,
        "-not",
        "-path",
        `${path}/tmp*`,
        "-printf",
        "%P\\n",
      )
        .trim()
        .split("\n")
        .sort(),
    [Symbol.dispose]: () => removeRoot(path),
  };
}

function removeRoot(path: string): void {
  if (!existsSync(path)) return;
  Bun.spawnSync(["umount", join(path, "proc")]);
  if (existsSync(join(path, "proc/self")))
    throw new Error(`${path}/proc is still mounted: umount it by hand`);
  rmSync(path, { recursive: true });
}

function sh(...command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${exitCode}: ${stdout}${stderr}`);
  return stdout.toString();
}
