import { Type } from "@sinclair/typebox";
import { MAX_SOCKET_PATH_BYTES } from "../base/socket-path.ts";
import { name, TABLE } from "./keys.ts";
import { byteLength, isLocal, parseListenAddress } from "./listen-address.ts";

/** The socket has another name until it is ready: with a dot and the pid. */
const LONGEST_SUFFIX = ".PPPPPPP";
/** A short name, so that it fits below every runtime_dir. */
const NAME = /^[A-Za-z0-9._-]{1,20}$/;

/** `[admin]`, complete. */
export const adminSchema = Type.Object(
  {
    listen: Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })], {
      default: "admin.sock",
      description:
        "Where status and control answer, by HTTP: a socket path (a mere name is in `runtime_dir`), a local address with port, or a list of these; empty = nowhere. Who gets to the first Unix socket may act, who gets to another address may look.",
      expected: 'a socket path, "admin.sock", "127.0.0.1:9001", a list of these, or ""',
      verify: verifyAdminListen,
    }),
    listen_group: name(
      "Group (name or number) of every Unix socket but the first one, for who may look; empty leaves it as it is.",
    ),
    listen_mode: Type.String({
      pattern: "^0?[0-7]{3}$",
      default: "0660",
      description: "Permissions of every Unix socket but the first one, in octal.",
      expected: 'octal permissions in quotes, such as "0660"',
    }),
  },
  TABLE,
);

function verifyAdminListen(value: string | readonly string[]): string | undefined {
  if (value === "") return undefined;
  const texts = [value].flat();
  for (const [index, text] of texts.entries()) {
    const problem =
      texts.indexOf(text) === index ? problemOf(text) : `${JSON.stringify(text)} is in the list twice`;
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function problemOf(text: string): string | undefined {
  if (NAME.test(text)) return undefined;
  const address = parseListenAddress(text);
  if (address === undefined || text.includes("\0") || text.endsWith("/"))
    return `expected a socket path, "127.0.0.1:9001" or "", found ${JSON.stringify(text)}`;
  if (!isLocal(address)) return `${text} is reached over the network: whoever gets there sees every program`;
  const longest = MAX_SOCKET_PATH_BYTES - LONGEST_SUFFIX.length;
  if (address.kind === "unix" && byteLength(text) > longest)
    return `${text} has ${byteLength(text)} bytes; at most ${longest} are possible`;
  return undefined;
}
