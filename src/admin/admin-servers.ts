import type { AdminConfig } from "../config/config.ts";
import type { SocketPermissions } from "../front/socket-permissions.ts";
import { type AdminOptions, AdminServer } from "./admin-server.ts";

/** The admin servers of all addresses: who gets to the first Unix socket may act, who gets to another one may look. */
export class AdminServers {
  readonly all: readonly AdminServer[];

  /** `permissions` are those of the sockets for looking. All listen, or none. @throws FpmError LISTEN_IN_USE, LISTEN_FAILED. */
  constructor(
    { listen }: AdminConfig,
    permissions: SocketPermissions,
    options: Omit<AdminOptions, "address" | "open">,
  ) {
    const acting = listen.find(({ kind }) => kind === "unix");
    const all: AdminServer[] = [];
    this.all = all;
    try {
      for (const address of listen)
        all.push(
          new AdminServer({ ...options, address, open: address === acting ? undefined : permissions }),
        );
    } catch (error) {
      void this.close();
      throw error;
    }
  }

  /** See AdminServer. @throws FpmError LISTEN_FAILED. */
  publish(): void {
    for (const server of this.all) server.publish();
  }

  /** See AdminServer. */
  yield(): void {
    for (const server of this.all) server.yield();
  }

  /** See AdminServer. */
  async close(): Promise<void> {
    await Promise.all(this.all.map((server) => server.close()));
  }
}
