import type { ListenAddress } from "./config.ts";

/** The address a `listen` value names, or undefined when it is neither an absolute path nor an IP address with a port. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  if (text.startsWith("/")) return { kind: "unix", path: text };
  const [, v6, v4, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})$/.exec(text) ?? [];
  const host = v6 ?? v4;
  const port = Number(digits);
  if (host === undefined || port < 1 || port > 65535) return undefined;
  if (v6 === undefined ? !isIPv4(host) : !isIPv6(host)) return undefined;
  return { kind: "tcp", host, port };
}

/** An address as the configuration writes it. */
export function formatListenAddress(address: ListenAddress): string {
  if (address.kind === "unix") return address.path;
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Whether a text is an IP address, or a network with the length of its prefix: "10.0.0.0/8". */
export function isClientAddress(text: string): boolean {
  const [address = "", prefix = "0", ...rest] = text.split("/");
  const bits = isIPv4(address) ? 32 : isIPv6(address) ? 128 : -1;
  return rest.length === 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits;
}

/** Whether only this machine reaches an address. */
export function isLocal(address: ListenAddress): boolean {
  return address.kind === "unix" || /^(?:127\.|::1$)/.test(address.host);
}

/** Bytes of a path in UTF-8, as the kernel counts them. */
export function byteLength(path: string): number {
  return new TextEncoder().encode(path).length;
}

function isIPv4(host: string): boolean {
  const parts = host.split(".");
  return (
    parts.length === 4 && parts.every((part) => /^(?:0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255)
  );
}

function isIPv6(host: string): boolean {
  const halves = host.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  const last = groups.at(-1) ?? "";
  const tail = last.includes(".") ? groups.pop() : undefined;
  if (tail !== undefined && !isIPv4(tail)) return false;
  if (!groups.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group))) return false;
  const count = groups.length + (tail === undefined ? 0 : 2);
  return halves.length === 2 ? count < 8 : count === 8;
}
