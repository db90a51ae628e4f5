import { resolve } from "node:path";
import type { ListenAddress } from "../config/config.ts";
import { parseListenAddress } from "../config/listen-address.ts";
import { UsageError } from "./arguments.ts";

/** The address that `--socket` of this command names: a path, seen from the caller's folder, or an IP address with a port. @throws UsageError. */
export function socketAddress(command: string, text: string): ListenAddress {
  const address = parseListenAddress(text);
  if (address) return address;
  // Everything with a colon and no slash looks like a host and a port.
  if (text.includes("/") || !text.includes(":")) return { kind: "unix", path: resolve(text) };
  throw new UsageError(
    `${command}: --socket: expected a path, "127.0.0.1:9001" or "[::1]:9001", found ${JSON.stringify(text)}`,
  );
}
