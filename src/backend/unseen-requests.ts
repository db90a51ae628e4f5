import type { Acceptor } from "./acceptor.ts";
import type { Backend, Lease } from "./backend.ts";
import type { BackendSocket } from "./backend-socket.ts";
import { SocketLink } from "./socket-link.ts";

/**
 * Takes back the requests that a process has not accepted which has ended: nobody has seen them, and nobody will. Whoever else holds its socket, as a
 * worker does that it has forked, may accept some before: those go on. `onOver`: none waits any more, or one that cannot be had; at once where none does.
 */
export function takeBackUnseen(
  backend: Backend,
  socket: BackendSocket,
  by: Acceptor,
  onOver: () => void,
): void {
  const onTaken = (inode: number) => {
    const lease = leaseOf(backend, inode);
    if (!lease) return;
    lease.isUnseen = true;
    lease.user?.onUnseen();
  };
  if (backend.leases.length === 0) onOver();
  else socket.takeBackAll(by, { onTaken, onOver });
}

/** The request whose connection has its other end in this socket, given by its inode. */
export function leaseOf(backend: Backend, inode: number): Lease | undefined {
  return backend.leases.find(({ link }) => link instanceof SocketLink && link.peerInode === inode);
}
