import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { isRoot } from "./server-process.ts";
import { answers } from "./std-fpm.ts";
import { waitUntil } from "./wait-until.ts";

/** A running PHP-FPM with one pool. `stop()` ends it. */
export interface PhpFpm {
  readonly socket: string;
  stop(): Promise<void>;
}

/** Starts it with files of its own in an existing folder, `pm = static` and these further lines of the pool, and waits until it answers. */
export async function startPhpFpm(
  folder: string,
  children: number,
  pool: readonly string[] = [],
): Promise<PhpFpm> {
  const socket = join(folder, "php-fpm.sock");
  const lines = [
    "[global]",
    `error_log = ${join(folder, "php-fpm.log")}`,
    "[www]",
    ...(isRoot() ? ["user = root", "group = root"] : []),
    `listen = ${socket}`,
    "listen.mode = 0666",
    "pm = static",
    `pm.max_children = ${children}`,
    ...pool,
  ];
  const configFile = join(folder, "php-fpm.conf");
  writeFileSync(configFile, `${lines.join("\n")}\n`);
  const child = Bun.spawn([phpFpmPath(), "-R", "-F", "-y", configFile], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  await waitUntil("php-fpm answers", () => answers(socket));
  return {
    socket,
    async stop() {
      child.kill();
      await child.exited;
    },
  };
}

/** Debian's name has the version in it. */
function phpFpmPath(): string {
  const found = [...new Bun.Glob("php-fpm*").scanSync({ cwd: "/usr/sbin" })].sort().at(-1);
  if (found === undefined) throw new Error("php-fpm is not installed: make setup-debian");
  return `/usr/sbin/${found}`;
}
