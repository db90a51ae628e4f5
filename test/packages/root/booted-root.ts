import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { waitUntil } from "../../support/wait-until.ts";

/** A Debian with an init of its own, at work. */
export interface BootedRoot extends AsyncDisposable {
  /** A path in it, as we see it. */
  at(...names: string[]): string;
  /** Runs a line of the shell in it, as root, and gives what it printed; fails when it fails. */
  sh(line: string): string;
  /** The same, whatever it ends with. */
  try(line: string): { status: number; out: string };
  /** Starts it and does not wait. */
  start(line: string): Bun.Subprocess<"ignore", "pipe", "inherit">;
}

const ENVIRONMENT = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive"];
const BOOT_MS = 60_000;

/** Installs Debian and these packages, and boots it with a network of its own, as systemd-nspawn does. Needs root. */
export async function bootDebian(packages: readonly string[]): Promise<BootedRoot> {
  const path = resolve("dist/booted-root");
  rmSync(path, { recursive: true, force: true });
  mkdirSync(resolve("dist"), { recursive: true });
  const include = ["systemd", "systemd-sysv", "dbus", ...packages].join(",");
  run("debootstrap", "--variant=minbase", `--include=${include}`, "bookworm", path);
  const options = [
    "--quiet",
    "--register=no",
    "--keep-unit",
    "--private-network",
    "--kill-signal=SIGRTMIN+4",
  ];
  const container = Bun.spawn(["systemd-nspawn", ...options, "-b", "-D", path], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  const leader = await waitUntil(
    "it is booted",
    () => {
      const [pid] = Bun.spawnSync(["pgrep", "-P", String(container.pid)])
        .stdout.toString()
        .split("\n");
      return pid && /running|degraded/.test(inside(pid, "systemctl is-system-running").out) ? pid : undefined;
    },
    BOOT_MS,
  );
  return {
    at: (...names) => join(path, ...names),
    sh(line) {
      const { status, out } = inside(leader, line);
      if (status !== 0) throw new Error(`${line}: ${status}: ${out}`);
      return out;
    },
    try: (line) => inside(leader, line),
    start: (line) => Bun.spawn(commandFor(leader, line), { stdio: ["ignore", "pipe", "inherit"] }),
    async [Symbol.asyncDispose]() {
      container.kill("SIGTERM");
      await container.exited;
      rmSync(path, { recursive: true, force: true });
    },
  };
}

function commandFor(leader: string, line: string): string[] {
  return ["nsenter", "-t", leader, "-a", ...ENVIRONMENT, "/bin/sh", "-c", line];
}

function inside(leader: string, line: string): { status: number; out: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(commandFor(leader, line));
  return { status: exitCode, out: `${stdout}${stderr}` };
}

function run(...command: string[]): void {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${exitCode}: ${stdout}${stderr}`);
}

/** Puts a file into a root. */
export function copyInto(root: BootedRoot, file: string, name: string): void {
  if (!existsSync(file)) throw new Error(`there is no ${file}`);
  cpSync(file, root.at(name));
}
