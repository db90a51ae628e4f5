import { Type } from "@sinclair/typebox";
import { MAX_SOCKET_PATH_BYTES } from "../base/socket-path.ts";
import { TABLE } from "./keys.ts";
import { byteLength, isLocal, parseListenAddress } from "./listen-address.ts";

/** The socket has another name until it is ready: with a dot and the pid. */
const LONGEST_SUFFIX = ".PPPPPPP";
/** A short name, so that it fits below every runtime_dir. */
const NAME = /^[A-Za-z0-9._-]{1,20}$/;

/** `[admin]`, complete. */
export const adminSchema = Type.Object(
  {
    listen: Type.String({
      default: "admin.sock",
      description:
        "Where status and control answer, by HTTP: a socket path (a mere name is in `runtime_dir`), or for the status alone a local address with port; empty = nowhere.",
      expected: 'a socket path, "admin.sock", "127.0.0.1:9001", or ""',
      verify: verifyAdminListen,
    }),
  },
  TABLE,
);

function verifyAdminListen(text: string): string | undefined {
  if (text === "" || NAME.test(text)) return undefined;
  const address = parseListenAddress(text);
  if (address === undefined || text.includes("\0") || text.endsWith("/"))
    return `expected a socket path, "127.0.0.1:9001" or "", found ${JSON.stringify(text)}`;
  if (!isLocal(address)) return `${text} is reached over the network: whoever gets there sees every program`;
  const longest = MAX_SOCKET_PATH_BYTES - LONGEST_SUFFIX.length;
  if (address.kind === "unix" && byteLength(text) > longest)
    return `${text} has ${byteLength(text)} bytes; at most ${longest} are possible`;
  return undefined;
}
