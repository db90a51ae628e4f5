import type { Site } from "./site.ts";
import { TIME_FACTOR, waitUntil } from "./wait-until.ts";

/** `[slow_log]` of a site: requests are slow after 300 ms; later where a start takes that long, as the waits of programs are longer, too. */
export const SLOW_LOG = `[slow_log]\nafter = "${TIME_FACTOR > 1 ? 900 : 300}ms"`;

/** The lines of the log that begin so, without their time and level. */
export function linesOf({ fpm }: Site, start: string): string[] {
  const lines = fpm.log().split("\n");
  return lines.map((line) => line.replace(/^\S+ \w+ /, "")).filter((line) => line.startsWith(start));
}

/** The report of a slow request that has this text, without the functions of the kernel: other versions have others. */
export async function reportOf(site: Site, text: string): Promise<string> {
  const lines = () => linesOf(site, "slow request,").map((line) => line.replace(/\((\w+), \w+\)/g, "($1)"));
  const report = () => lines().find((line) => line.includes(text));
  return await waitUntil(`a slow request is reported: ${text}`, report).catch((error) => {
    throw new Error(`${error.message}\n${site.fpm.log()}`);
  });
}

/** The report of the end of a request. */
export async function endOf(site: Site, text: string): Promise<string> {
  const end = () => linesOf(site, "slow request ended").find((line) => line.includes(text));
  return await waitUntil(`the end of a slow request is reported: ${text}`, end);
}
