import { expect } from "bun:test";
import { readdirSync } from "node:fs";
import { resolve } from "node:path";

/** The package of that kind that `make deb`, `make rpm` and their like have left in a folder. */
export function packageFile(kind: "deb" | "rpm", folder = "dist/packages"): string {
  const files = readdirSync(folder).filter((name) => name.startsWith("std-fpm") && name.endsWith(`.${kind}`));
  expect(files.length).toBe(1);
  return resolve(folder, files[0] as string);
}

/** Runs a command and gives its output; fails when it fails. */
export function run(...command: [string, ...string[]]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${exitCode}: ${stdout}${stderr}`);
  return stdout.toString();
}

const COMMON = [
  "-rw-r--r-- root /etc/logrotate.d/std-fpm",
  "-rw-r--r-- root /etc/std-fpm/std-fpm.toml",
  "-rw-r--r-- root /usr/lib/sysusers.d/std-fpm.conf",
  "-rw-r--r-- root /usr/lib/tmpfiles.d/std-fpm.conf",
  "-rw-r--r-- root /usr/share/bash-completion/completions/std-fpm",
  "-rw-r--r-- root /usr/share/fish/vendor_completions.d/std-fpm.fish",
  "-rw-r--r-- root /usr/share/man/man5/std-fpm.toml.5.gz",
  "-rw-r--r-- root /usr/share/man/man8/std-fpm.8.gz",
  "-rwxr-xr-x root /usr/bin/std-fpm",
  "-rwxr-xr-x root /usr/lib/std-fpm/each-running",
];
const UNITS = ["std-fpm.service", "std-fpm.socket", "std-fpm@.service"];

function withUnits(folder: string, zsh: string): string[] {
  const files = [...UNITS.map((unit) => `${folder}/${unit}`), `/usr/share/zsh/${zsh}/_std-fpm`];
  return [...COMMON, ...files.map((file) => `-rw-r--r-- root ${file}`)].sort();
}

export const DEB_FILES = withUnits("/lib/systemd/system", "vendor-completions");
export const RPM_FILES = withUnits("/usr/lib/systemd/system", "site-functions");

/** As DEB_FILES has them. */
export function filesOfDeb(file: string): string[] {
  return listed(run("dpkg-deb", "-c", file), 5);
}

/** As RPM_FILES has them. */
export function filesOfRpm(file: string): string[] {
  return listed(run("rpm", "-qplv", file), 8);
}

export function unpackDeb(file: string, folder: string): void {
  run("dpkg-deb", "-R", file, folder);
}

export function unpackRpm(file: string, folder: string): void {
  run("sh", "-c", 'rpm2cpio "$1" | (cd "$2" && cpio -idm --quiet)', "sh", file, folder);
}

/** Mode and path of every file beside the documentation, as `ls -l` writes modes. */
function listed(text: string, path: number): string[] {
  const lines = text.trim().split("\n");
  const files = lines.map((line) => line.trim().split(/\s+/)).filter((words) => words[0]?.startsWith("-"));
  const shown = files.map(
    (words) =>
      `${words[0]} ${words.slice(1, 4).includes("root") || words[1] === "root/root" ? "root" : "?"} ${words[path]?.replace(/^\./, "")}`,
  );
  return shown.filter((line) => !/\/(doc|licenses|lintian)\//.test(line)).sort();
}
