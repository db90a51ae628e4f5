import { groupId, userId } from "../base/accounts.ts";
import { FpmError } from "../base/errors.ts";
import type { Config } from "../config/config.ts";
import { Admission } from "../front/admission.ts";
import type { FrontLimits } from "../front/connections.ts";
import type { FrontOptions } from "../front/front.ts";
import type { Limits } from "./limits.ts";

/** How the daemon listens, with names of users and groups as numbers. @throws FpmError CONFIG_INVALID for unknown ones. */
export function frontOptionsOf(config: Config, limits: Limits): FrontOptions {
  const { listenOwner, listenGroup, listenMode: mode, listenBacklog: backlog } = config.server;
  const uid = listenOwner === "" ? undefined : numberOf("listen_owner", "user", listenOwner);
  const gid = listenGroup === "" ? undefined : numberOf("listen_group", "group", listenGroup);
  return { mode, uid, gid, backlog, ...frontLimitsOf(config, limits) };
}

/** The part of it that may change while the daemon runs. @throws FpmError CONFIG_INVALID for an unknown user. */
export function frontLimitsOf({ server, app }: Config, { maxConnections, descriptors }: Limits): FrontLimits {
  const users = server.allowedUsers.map((user) => numberOf("allowed_users", "user", user));
  const admission = new Admission(server.allowedClients, users);
  const { headTimeoutMs } = server;
  const { bodyTimeoutMs } = app;
  return { maxConnections, descriptors, headTimeoutMs, bodyTimeoutMs, admission };
}

function numberOf(key: string, what: "user" | "group", name: string): number {
  const number = what === "user" ? userId(name) : groupId(name);
  if (number !== undefined) return number;
  const why = `server.${key}: there is no ${what} ${JSON.stringify(name)}.`;
  throw new FpmError("CONFIG_INVALID", "daemon", why);
}
