import { closeFd } from "../base/libc.ts";
import type { ListenAddress } from "../config/config.ts";
import { formatListenAddress } from "../config/listen-address.ts";
import {
  type BindOptions,
  type BoundSocket,
  bindSocket,
  isReachable,
  renewPermissions,
  unlinkSocket,
} from "./bind.ts";
import { Connections, type FrontDeps, type FrontLimits } from "./connections.ts";
import { Listener, type ListenerDeps } from "./listener.ts";
import type { Gate } from "./places.ts";
import { listenFailed } from "./socket-file.ts";

export interface FrontOptions extends BindOptions, FrontLimits {}

const FOREIGN = new Error(
  "the service manager made the socket, and only it can make it again: restart its socket unit, and std-fpm.",
);

/** All listening addresses and the connections that came in there. */
export class Front implements Gate {
  readonly #sockets: BoundSocket[];
  readonly #inherited: readonly BoundSocket[];
  readonly #options: BindOptions;
  readonly #listenerDeps: ListenerDeps;
  #listeners: Listener[] = [];
  /** As is wished, also while it is held. */
  #isGateOpen = true;
  #isHeld = false;
  readonly #connections: Connections;

  /**
   * Begins to accept on every address: on the inherited socket where there is one that can be reached, else on a new one.
   * Inherited sockets that are not wanted accept as well, until `dropUnwanted`. Foreign ones take the place of all addresses.
   * @throws FpmError LISTEN_IN_USE, LISTEN_FAILED; then no new socket is left, and the inherited ones are as they were.
   */
  constructor(
    addresses: readonly ListenAddress[],
    options: FrontOptions,
    inherited: readonly BoundSocket[],
    deps: FrontDeps,
  ) {
    this.#inherited = inherited;
    this.#options = options;
    const foreign = inherited.filter(({ isForeign }) => isForeign).map(({ address }) => address);
    this.#sockets = bindAll(foreign.length > 0 ? foreign : addresses, options, inherited);
    this.#connections = new Connections(options, deps, this);
    const onOpen = this.#connections.open.bind(this.#connections);
    this.#listenerDeps = { clock: deps.clock, backlog: options.backlog, onOpen };
    try {
      for (const socket of new Set([...this.sockets, ...inherited]))
        this.#listeners.push(new Listener(socket, this.#listenerDeps));
    } catch (error) {
      this.undo();
      throw error;
    }
  }

  /** The sockets that are listened on, in the order of their addresses. */
  get sockets(): readonly BoundSocket[] {
    return this.#sockets;
  }

  /** Whether nobody is connected, and nobody waits to be. Only after `close` or `yield`. */
  get isEmpty(): boolean {
    return this.connections === 0 && this.#listeners.every(({ isClosed }) => isClosed);
  }

  /** Open connections, those included that wait for a place or are about to close. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Most connections that are served at once; how many wait for a place, and how many had to. */
  get places(): Connections["places"] {
    return this.#connections.places;
  }

  /** Whether nobody is accepted yet: see `acceptAfter`. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  openGate(): boolean {
    try {
      if (!this.#isHeld) this.#accept();
    } catch {
      this.closeGate();
      return false;
    }
    this.#isGateOpen = true;
    return true;
  }

  closeGate(): void {
    this.#isGateOpen = false;
    this.#pause();
  }

  /** Accepts nobody until `work` is done, whatever becomes of the gate meanwhile: who comes waits in the backlog. @throws what `work` does, or the system's error; then nobody is accepted. */
  async acceptAfter(work: () => Promise<void>): Promise<void> {
    this.#isHeld = true;
    this.#pause();
    await work();
    if (this.#isGateOpen) this.#accept();
    this.#isHeld = false;
  }

  /**
   * Listens anew on the address of a socket whose file was removed or replaced; who has connected to the old one before is still accepted.
   * @throws FpmError LISTEN_IN_USE, LISTEN_FAILED; then all is as it was, and somebody else's file is there still.
   */
  listenAnew(lost: BoundSocket): void {
    if (lost.isForeign) throw listenFailed(formatListenAddress(lost.address), FOREIGN);
    const socket = bindSocket(lost.address, this.#options);
    let listener: Listener;
    try {
      listener = new Listener(socket, this.#listenerDeps);
    } catch (error) {
      unlinkSocket(socket);
      closeFd(socket.fd);
      throw error;
    }
    if (this.#isHeld || !this.#isGateOpen) listener.pause();
    this.#sockets[this.#sockets.indexOf(lost)] = socket;
    for (const each of this.#listeners) if (each.bound === lost) each.close();
    this.#listeners = [...this.#listeners.filter(({ isClosed }) => !isClosed), listener];
  }

  /** Takes who waits in the backlog of an inherited socket whose address has gone, and closes it. */
  dropUnwanted(): void {
    for (const listener of this.#listeners) if (!this.sockets.includes(listener.bound)) listener.close();
  }

  /** Ends what the constructor began; the inherited sockets' files stay. */
  undo(): void {
    for (const socket of this.sockets) if (!this.#inherited.includes(socket)) unlinkSocket(socket);
    this.abandon();
  }

  /** Removes the sockets' files; who has connected before is still accepted. */
  close(): void {
    for (const listener of this.#listeners) listener.close();
  }

  /** Accepts no more, at once; another daemon has the same sockets. */
  yield(): void {
    for (const listener of this.#listeners) listener.yield();
  }

  /** Other limits from now on, for open connections too. */
  limit(limits: FrontLimits): void {
    this.#connections.limit(limits);
  }

  /** Ends the connections on which no request has been at work for `idleMs`, as soon as their clients have read all. */
  retire(idleMs: number): void {
    this.#connections.retire(idleMs);
  }

  /** Ends every connection at once. */
  abandon(): void {
    this.yield();
    this.#connections.abandon();
  }

  #accept(): void {
    for (const listener of this.#listeners) listener.accept();
  }

  #pause(): void {
    for (const listener of this.#listeners) listener.pause();
  }
}

/** A socket for each address, in their order. On failure those that were made are removed again. */
function bindAll(
  addresses: readonly ListenAddress[],
  options: FrontOptions,
  inherited: readonly BoundSocket[],
): BoundSocket[] {
  const made: BoundSocket[] = [];
  try {
    return addresses.map((address) => {
      const known = inherited.find((socket) => isSame(socket.address, address) && isReachable(socket));
      if (known) {
        renewPermissions(known, options);
        return known;
      }
      const socket = bindSocket(address, options);
      made.push(socket);
      return socket;
    });
  } catch (error) {
    for (const socket of made) {
      unlinkSocket(socket);
      closeFd(socket.fd);
    }
    throw error;
  }
}

function isSame(a: ListenAddress, b: ListenAddress): boolean {
  return formatListenAddress(a) === formatListenAddress(b);
}
