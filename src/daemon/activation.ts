import { FpmError } from "../base/errors.ts";
import { fileIdentity } from "../base/file-identity.ts";
import { boundAddress, closeOnExec, isListening, isStream } from "../base/libc.ts";
import type { BoundSocket } from "../front/bind.ts";

/** The first descriptor that is passed on (SD_LISTEN_FDS_START). */
const FIRST_FD = 3;
const VARIABLES = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"] as const;

/**
 * Takes the listening sockets that systemd passes on (sd_listen_fds(3)) out of the environment, where nobody finds them any
 * more; an empty list when there are none, or they are another process's.
 * @throws FpmError LISTEN_FAILED when a descriptor cannot be listened on.
 */
export function takeActivated(environment: Record<string, string | undefined>): BoundSocket[] {
  const [count, pid, names] = VARIABLES.map((name) => environment[name]);
  for (const name of VARIABLES) delete environment[name];
  if (count === undefined || pid !== String(process.pid)) return [];
  if (!/^\d{1,4}$/.test(count)) throw failed(`LISTEN_FDS=${count} is no number`);
  return Array.from({ length: Number(count) }, (_, index) => {
    const fd = FIRST_FD + index;
    return activated(fd, names?.split(":")[index] ?? "unknown");
  });
}

function activated(fd: number, name: string): BoundSocket {
  if (!isListening(fd))
    throw failed(`descriptor ${fd} (${name}) does not listen; sockets need Accept=no and ListenStream=`);
  if (!isStream(fd))
    throw failed(
      `descriptor ${fd} (${name}) is no stream; sockets need ListenStream=, not ListenSequentialPacket=`,
    );
  const bound = boundAddress(fd);
  if (bound === undefined)
    throw failed(`descriptor ${fd} (${name}) is neither a Unix socket with a path nor TCP`);
  closeOnExec(fd);
  const address =
    "path" in bound ? ({ kind: "unix", ...bound } as const) : ({ kind: "tcp", ...bound } as const);
  const file = address.kind === "unix" ? fileIdentity(address.path) : undefined;
  return { address, fd, file, isForeign: true };
}

function failed(why: string): FpmError {
  return new FpmError("LISTEN_FAILED", "daemon", `Socket activation: ${why}.`);
}
