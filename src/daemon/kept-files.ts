import type { AdminServer } from "../admin/admin-server.ts";
import type { AdminServers } from "../admin/admin-servers.ts";
import { formatListenAddress } from "../config/listen-address.ts";
import { hasLostFile } from "../front/bind.ts";
import type { Front } from "../front/front.ts";
import type { RuntimeDir } from "./runtime-dir.ts";
import type { Kept, Loss } from "./upkeep.ts";

/** Others could exchange what is in it, and a new executable would refuse to run there. */
const GIVEN_AWAY: Loss = { what: "was given to other users", mended: "taken back", isBack: "is ours again" };

/** What a daemon has on the disk for as long as it serves: sockets may lie in the runtime folder, so that comes first. */
export function keptFiles(runtimeDir: RuntimeDir, front: Front, admin: AdminServers): Kept[] {
  return [
    {
      name: `the runtime folder ${runtimeDir.path}`,
      loss: GIVEN_AWAY,
      isForRequests: false,
      isOurs: true,
      get isIntact() {
        return !runtimeDir.isGivenAway;
      },
      remake: () => runtimeDir.takeBack(),
    },
    {
      name: `the runtime folder ${runtimeDir.path}`,
      isForRequests: true,
      isOurs: true,
      get isIntact() {
        return runtimeDir.isIntact;
      },
      remake: () => runtimeDir.remake(),
    },
    ...front.sockets.map(({ address }, index) => socketAt(front, index, formatListenAddress(address))),
    ...admin.all.map(adminSocket),
  ];
}

function socketAt(front: Front, index: number, name: string): Kept {
  const socket = () => front.sockets[index];
  return {
    name: `the socket ${name}`,
    isForRequests: true,
    get isOurs() {
      return !socket()?.isForeign;
    },
    get isIntact() {
      const present = socket();
      return !present || !hasLostFile(present);
    },
    remake() {
      const present = socket();
      if (present) front.listenAnew(present);
    },
  };
}

function adminSocket(admin: AdminServer): Kept {
  return {
    name: `the socket of status and control, ${admin.place},`,
    isForRequests: false,
    isOurs: true,
    get isIntact() {
      return admin.isFound;
    },
    remake: () => admin.listenAnew(),
  };
}
