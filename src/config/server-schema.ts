import { Type } from "@sinclair/typebox";
import { patternProblem } from "../base/path-pattern.ts";
import { MAX_SOCKET_PATH_BYTES } from "../base/socket-path.ts";
import { duration, integer, name, path, size, TABLE } from "./keys.ts";
import { byteLength, isClientAddress, parseListenAddress } from "./listen-address.ts";

/** The longest name below runtime_dir that the daemon gives to a socket: its pid, and a number. */
const LONGEST_BACKEND_SOCKET = "/backends/PPPPPPP-NNNNNNN.sock";

/** `[server]`, complete. */
export const serverSchema = Type.Object(
  {
    listen: Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })], {
      default: "/run/std-fpm/std-fpm.sock",
      description:
        "Where web servers reach std-fpm: a socket path, an address with port, or a list of these.",
      expected: 'an absolute path, "127.0.0.1:9000", "[::1]:9000", or a list of these',
      verify: verifyListen,
    }),
    listen_mode: Type.String({
      pattern: "^0?[0-7]{3}$",
      default: "0660",
      description: "Permissions of the Unix socket, in octal.",
      expected: 'octal permissions in quotes, such as "0660"',
    }),
    listen_owner: name("User (name or number) that owns the Unix socket; empty leaves it as it is."),
    listen_group: name("Group (name or number) of the Unix socket; empty leaves it as it is."),
    allowed_clients: Type.Array(
      Type.String({ expected: 'an IP address or a network such as "10.0.0.0/8"' }),
      {
        default: [],
        description: "IP addresses and networks that may connect over TCP; an empty list allows any.",
        expected: 'a list of addresses, such as ["10.0.0.7", "fd00::/8"]',
        verify(clients: readonly string[]) {
          const wrong = clients.find((client) => !isClientAddress(client));
          return (
            wrong &&
            `expected an IP address or a network such as "10.0.0.0/8", found ${JSON.stringify(wrong)}`
          );
        },
      },
    ),
    allowed_users: Type.Array(
      Type.String({ pattern: "^[^\\0:/\\s]+$", expected: "a name or a number in quotes" }),
      {
        default: [],
        description:
          "Users (names or numbers) that may connect to Unix sockets, beside root and std-fpm's own; an empty list allows any.",
        expected: 'a list of users, such as ["www-data"]',
      },
    ),
    listen_backlog: integer(1, 65_535, 1024, "Connections that may wait to be accepted."),
    runtime_dir: Type.String({
      ...path("/run/std-fpm", "Folder for the pid file and the backends' sockets; created when missing."),
      verify: verifyRuntimeDir,
    }),
    include: Type.String({
      pattern: "^(?:/[^\\0]*)?$",
      default: "/etc/std-fpm/conf.d/*.toml",
      description:
        "Glob of files read after this one, in the order of their names; empty for none, as for any file but the default one.",
      expected: 'an absolute path that may contain *, such as "/etc/std-fpm/conf.d/*.toml", or ""',
      verify: patternProblem,
    }),
    spool_dir: Type.String({
      ...path("/var/tmp", "Folder for request bodies that are taken whole and have more than 64 KiB."),
      verify: (folder: string) =>
        /^\/(?:run|dev\/shm)(?:\/|$)/.test(folder)
          ? `${JSON.stringify(folder)} lies in memory, which uploads could fill; take a folder on a disk`
          : undefined,
    }),
    spool_limit: size("Most bytes of all bodies in spool_dir together; 0 = half of what is free there."),
    max_processes: integer(
      0,
      1_000_000,
      0,
      "Most processes of all programs together, which no program gets alone; 0 = from memory, descriptors and control group.",
    ),
    max_connections: integer(
      0,
      1_000_000,
      0,
      "Most connections from web servers; 0 = from the descriptor limit.",
    ),
    buffer_limit: size(
      "Most memory for all requests and answers that wait for somebody; 0 = from the memory.",
    ),
    status_path: scriptName(
      "SCRIPT_NAME that std-fpm answers with its status (docs/status.md); empty for none.",
    ),
    ping_path: scriptName("SCRIPT_NAME that std-fpm answers with `pong`; empty for none."),
    head_timeout: duration("30s", "Longest time a client may take for the head of a request.", "positive"),
    drain_timeout: duration(
      "30s",
      "How long requests in flight may go on, and clients may read their answers, after a stop was asked for.",
    ),
  },
  TABLE,
);

function scriptName(description: string) {
  return Type.String({
    pattern: "^(?:/[!-~]*)?$",
    default: "",
    description,
    expected: 'a path as in a URL, such as "/fpm-status", or ""',
  });
}

function verifyListen(value: string | readonly string[]): string | undefined {
  const texts = typeof value === "string" ? [value] : value;
  for (const [index, text] of texts.entries()) {
    if (texts.indexOf(text) !== index) return `${JSON.stringify(text)} is in the list twice`;
    const address = parseListenAddress(text);
    if (address === undefined || text.includes("\0")) {
      return `expected an absolute path, "127.0.0.1:9000" or "[::1]:9000", found ${JSON.stringify(text)}`;
    }
    if (address.kind === "unix" && text.endsWith("/"))
      return `${JSON.stringify(text)} names a folder, not a socket`;
    if (address.kind === "unix" && byteLength(text) > MAX_SOCKET_PATH_BYTES) return tooLong(text);
  }
  return undefined;
}

function verifyRuntimeDir(folder: string): string | undefined {
  const longest = folder.replace(/\/+$/, "") + LONGEST_BACKEND_SOCKET;
  if (byteLength(longest) <= MAX_SOCKET_PATH_BYTES) return undefined;
  return `${JSON.stringify(folder)} is too long: ${tooLong(longest)}`;
}

function tooLong(socket: string): string {
  return `the socket path ${socket} has ${byteLength(socket)} bytes; the kernel takes at most ${MAX_SOCKET_PATH_BYTES}`;
}
