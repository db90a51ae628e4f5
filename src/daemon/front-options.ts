import { groupId, userId } from "../base/accounts.ts";
import { FpmError } from "../base/errors.ts";
import type { Config } from "../config/config.ts";
import type { FrontOptions } from "../front/front.ts";
import type { FrontLimits } from "../front/listener.ts";
import type { Limits } from "./limits.ts";

/** How the daemon listens, with names of users and groups as numbers. @throws FpmError CONFIG_INVALID for unknown ones. */
export function frontOptionsOf(config: Config, limits: Limits): FrontOptions {
  const { server } = config;
  const uid = server.listenOwner === "" ? undefined : userId(server.listenOwner);
  const gid = server.listenGroup === "" ? undefined : groupId(server.listenGroup);
  if (server.listenOwner !== "" && uid === undefined)
    throw unknownName("listen_owner", "user", server.listenOwner);
  if (server.listenGroup !== "" && gid === undefined)
    throw unknownName("listen_group", "group", server.listenGroup);
  const { listenMode: mode, listenBacklog: backlog } = server;
  return { mode, uid, gid, backlog, ...frontLimitsOf(config, limits) };
}

/** The part of it that may change while the daemon runs. */
export function frontLimitsOf({ server, app }: Config, { maxConnections }: Limits): FrontLimits {
  return { maxConnections, headTimeoutMs: server.headTimeoutMs, bodyTimeoutMs: app.bodyTimeoutMs };
}

function unknownName(key: string, what: string, name: string): FpmError {
  return new FpmError(
    "CONFIG_INVALID",
    "daemon",
    `server.${key}: there is no ${what} ${JSON.stringify(name)}.`,
  );
}
