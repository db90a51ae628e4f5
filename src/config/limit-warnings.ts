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

/** More processes or connections than there can be descriptors for. */
export function descriptorWarnings(server: ServerTable, hardLimit: HardLimit): string[] {
  const { max_processes: processes, max_connections: connections } = server;
  const forProcesses = processes * DESCRIPTORS_PER_PROCESS + DESCRIPTORS_RESERVED;
  const hard = hardLimit("nofile");
  if (hard === undefined) return [];
  const limit = `the hard limit is ${hard} (LimitNOFILE= of a unit, ulimit -Hn)`;
  if (DESCRIPTORS_RESERVED > hard) return [`server: few requests are served at once, and ${limit}`];
  if (forProcesses > hard)
    return [
      `server.max_processes: ${processes} processes take ${forProcesses} descriptors, and ${limit}: fewer are started`,
    ];
  if (connections === 0 || connections + forProcesses <= hard) return [];
  const beside = processes > 0 ? `${processes} processes` : "the daemon itself";
  return [
    `server.max_connections: ${connections} connections and ${beside} take ${connections + forProcesses} descriptors, and ${limit}: fewer are served at once`,
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
