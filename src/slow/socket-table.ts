/** The tables of /proc/PID/net that name sockets. */
export type SocketTable = "tcp" | "tcp6" | "udp" | "udp6" | "unix";

export const SOCKET_TABLES: readonly SocketTable[] = ["tcp", "tcp6", "unix", "udp", "udp6"];

/** A socket and what people call it. */
export interface NamedSocket {
  readonly inode: string;
  /** Such as "tcp 192.0.2.1:3306". Of a Unix socket the path it is bound to; "unix" when it has none. */
  readonly name: string;
}

/** States of net/tcp that say more than the address. */
const TCP_STATES: Readonly<Record<string, string>> = {
  "02": " (connecting)",
  "08": " (closed by the other side)",
};
const TCP_LISTEN = "0A";
const V4_MAPPED = "::ffff:";

/** The socket of one line; undefined for the heading, and for what is no line of such a table. */
export function parseSocketLine(table: SocketTable, line: string): NamedSocket | undefined {
  return table === "unix" ? parseUnix(line) : parseInet(table, line);
}

function parseInet(table: SocketTable, line: string): NamedSocket | undefined {
  const fields = line.trim().split(/\s+/);
  const [, local = "", remote = "", state = ""] = fields;
  const inode = fields[9] ?? "";
  if (!/^\d+:$/.test(fields[0] ?? "") || !/^\d+$/.test(inode)) return undefined;
  const [here, there] = [addressOf(local), addressOf(remote)];
  if (here === undefined || there === undefined) return undefined;
  const protocol = table.slice(0, 3);
  if (protocol === "tcp" && state === TCP_LISTEN) return { inode, name: `tcp ${here} (listening)` };
  if (/^[0:]+$/.test(remote)) return { inode, name: `${protocol} ${here} (not connected)` };
  return { inode, name: `${protocol} ${there}${protocol === "tcp" ? (TCP_STATES[state] ?? "") : ""}` };
}

/** "0100007F:1F90" is 127.0.0.1:8080: words of 32 bits as a little-endian processor has them, the port in order. */
function addressOf(text: string): string | undefined {
  const [, hex, port] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(text) ?? [];
  if (hex === undefined || port === undefined) return undefined;
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) =>
    (word.match(/../g) ?? []).reverse().map((byte) => Number.parseInt(byte, 16)),
  );
  const number = Number.parseInt(port, 16);
  if (bytes.length === 4) return `${bytes.join(".")}:${number}`;
  const v6 = ipv6Of(bytes);
  return v6.startsWith(V4_MAPPED) ? `${bytes.slice(12).join(".")}:${number}` : `[${v6}]:${number}`;
}

/** RFC 5952: no leading zeros, the longest run of two zero groups or more is "::". */
function ipv6Of(bytes: readonly number[]): string {
  const groups = Array.from({ length: 8 }, (_, at) => ((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0));
  const text = groups.map((group) => group.toString(16)).join(":");
  const runs = text.match(/\b0(?::0)+\b/g) ?? [];
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), "");
  if (longest === "") return text;
  const at = text.indexOf(longest);
  const [before, after] = [text.slice(0, at), text.slice(at + longest.length)];
  return `${before.replace(/:$/, "")}::${after.replace(/^:/, "")}`;
}

function parseUnix(line: string): NamedSocket | undefined {
  const [, inode, path] =
    /^[0-9a-f]+: [0-9A-F]{8} [0-9A-F]{8} [0-9A-F]{8} [0-9A-F]{4} [0-9A-F]{2}\s+(\d+)(?: (.+))?$/.exec(line) ??
    [];
  return inode === undefined ? undefined : { inode, name: path === undefined ? "unix" : `unix ${path}` };
}
