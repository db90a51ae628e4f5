import type { Acceptor } from "./acceptor.ts";
import type { Backend } from "./backend.ts";
import type { BackendSocket } from "./backend-socket.ts";
import { SocketLink } from "./socket-link.ts";

/**
 * Takes back the requests that a process has not accepted which has ended: nobody has seen them, and nobody will. Whoever else holds its socket, as a
 * worker does that it has forked, may accept some before: those go on. Settles when none waits any more, or one that cannot be had.
 */
export function takeBackUnseen(backend: Backend, socket: BackendSocket, by: Acceptor): Promise<void> {
  return new Promise((resolve) => {
    const onTaken = (inode: number) => {
      const isMeant = ({ link }: { link?: unknown }) =>
        link instanceof SocketLink && link.peerInode === inode;
      backend.leases.find(isMeant)?.user?.onUnseen();
    };
    socket.takeBackAll(by, onTaken, resolve);
  });
}
