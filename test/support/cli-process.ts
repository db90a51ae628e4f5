import type { CliResult } from "./run-cli.ts";
import { EXECUTABLE } from "./std-fpm.ts";

/** Runs the executable under test until it ends. */
export async function runCli(...words: string[]): Promise<CliResult> {
  const child = Bun.spawn([EXECUTABLE, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  const [out, err, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { out, err, status };
}
