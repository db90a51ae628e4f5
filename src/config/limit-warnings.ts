import { type Resource, resourceLimit } from "../base/rlimits.ts";
import { DESCRIPTORS_PER_PROCESS, DESCRIPTORS_RESERVED } from "./descriptors.ts";
import { resolveLimits } from "./resolve.ts";
import type { AppTable, ServerTable } from "./schema.ts";

/** The most that we may set a limit to; undefined: any. */
export type HardLimit = (resource: Resource) => number | undefined;

/** For our children: only root may go above its own hard limits. */
export function childHardLimit(resource: Resource): number | undefined {
  return process.geteuid?.() === 0 ? undefined : resourceLimit(0, resource)?.hard;
}

/** For our own process. */
export function ownHardLimit(resource: Resource): number | undefined {
  return resourceLimit(0, resource)?.hard;
}

/** More processes than there can be descriptors for. */
export function descriptorWarnings(server: ServerTable, hardLimit: HardLimit): string[] {
  const needed = server.max_processes * DESCRIPTORS_PER_PROCESS + DESCRIPTORS_RESERVED;
  const hard = hardLimit("nofile");
  if (hard === undefined || needed <= hard) return [];
  return [
    `server.max_processes: ${server.max_processes} processes take ${needed} descriptors, and the hard limit is ${hard} (LimitNOFILE= of a unit, ulimit -Hn)`,
  ];
}

/** Limits that no process could be given. `name` is that of the table. */
export function limitWarnings(table: Partial<AppTable>, name: string, hardLimit: HardLimit): string[] {
  const limits = resolveLimits(table.limits ?? {});
  return (Object.keys(limits) as Resource[]).flatMap((resource) => {
    const [wanted, hard] = [limits[resource], hardLimit(resource)];
    if (wanted === undefined || hard === undefined || wanted <= hard) return [];
    return `${name}.limits.${resource}: ${wanted} is above the hard limit ${hard}, which only root may raise: programs will not start`;
  });
}
