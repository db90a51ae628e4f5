import { BlockList, isIPv4, isIPv6 } from "node:net";
import { peerUid } from "../base/libc.ts";
import type { FrontSocket } from "./connection.ts";

/** Who may connect. */
export class Admission {
  readonly #clients: BlockList | undefined;
  readonly #users: ReadonlySet<number>;

  /**
   * `clients`: addresses and networks ("10.0.0.0/8") for TCP, an empty list allows any. `users`: numbers for Unix sockets,
   * an empty list allows any; root and our own user always may.
   */
  constructor(clients: readonly string[], users: readonly number[]) {
    this.#clients = clients.length === 0 ? undefined : blockListOf(clients);
    this.#users = new Set(users.length === 0 ? [] : [...users, 0, process.geteuid?.() ?? 0]);
  }

  /** Why a connection is not taken; undefined: it is. */
  refusal(socket: FrontSocket, isUnix: boolean): string | undefined {
    if (isUnix) {
      if (this.#users.size === 0) return undefined;
      const uid = peerUid(socket.fd);
      return uid !== undefined && this.#users.has(uid) ? undefined : `user ${uid} is not in allowed_users`;
    }
    if (!this.#clients) return undefined;
    const address = plainAddress(socket.remoteAddress);
    return isIn(this.#clients, address) ? undefined : `${address} is not in allowed_clients`;
  }
}

function blockListOf(clients: readonly string[]): BlockList {
  const list = new BlockList();
  for (const client of clients) {
    const [address = "", prefix] = client.split("/");
    const family = isIPv4(address) ? "ipv4" : "ipv6";
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return list;
}

function isIn(list: BlockList, address: string): boolean {
  if (isIPv4(address)) return list.check(address, "ipv4");
  return isIPv6(address) && list.check(address, "ipv6");
}

/** A socket for IPv6 tells of IPv4 clients as "::ffff:10.0.0.1". */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=[0-9.]+$)/i, "");
}
