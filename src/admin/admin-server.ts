import type { Clock, Timer } from "../base/clock.ts";
import { errnoOf, FpmError, messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { ListenAddress } from "../config/config.ts";
import { formatListenAddress } from "../config/listen-address.ts";
import type { SocketPermissions } from "../front/socket-permissions.ts";
import { AdminSocketFile } from "./admin-socket.ts";
import type { Control } from "./control.ts";
import { EndWait } from "./end-wait.ts";
import { EventStream } from "./event-stream.ts";
import { createHandler, EVENTS_TYPE } from "./handler.ts";

export interface AdminOptions {
  readonly address: ListenAddress;
  /** Who may look there, and not act; undefined: only our own user and root get there, and may act. */
  readonly open: SocketPermissions | undefined;
  /** An earlier daemon listens there and is about to go. */
  readonly mayTakeOver: boolean;
  readonly control: Control;
  readonly clock: Clock;
  readonly log: Log;
}

/** How often it is tried to follow an earlier daemon on a TCP address, and for how long. */
const RETRY_MS = 20;
const RETRY_FOR_MS = 30_000;
/** How long answers that are under way may take at the end. */
const LAST_ANSWERS_MS = 1000;
/** An action has no body to speak of. */
const MAX_BODY_BYTES = 4096;
/** How long a client may take nothing of an answer. Who has not asked yet is given as long by Bun itself (1.4.5), for a whole header. */
const UNREAD_S = 10;
/** So many may be answered at once, with those who listen to events or wait for the end. */
const MOST_ANSWERED = 128;

/** HTTP for status and control, beside the requests of web servers and never in their way: a long answer is made in turns (`base/turns`). */
export class AdminServer {
  readonly #options: AdminOptions;
  readonly #file: AdminSocketFile | undefined;
  readonly #events: EventStream;
  readonly #ends = new EndWait();
  readonly #handle: (request: Request) => Promise<Response>;
  #server: Bun.Server<undefined> | undefined;
  /** Those whose socket was removed, with clients that they still answer. */
  readonly #former = new Set<Bun.Server<undefined>>();
  #retry: Timer | undefined;

  /** Listens; on a Unix socket nobody finds it before `publish`. @throws FpmError LISTEN_IN_USE, LISTEN_FAILED. */
  constructor(options: AdminOptions) {
    this.#options = options;
    const { address, control, clock, mayTakeOver, open } = options;
    this.#events = new EventStream(control, clock);
    this.#handle = createHandler(
      control,
      this.#events,
      this.#ends,
      address.kind === "unix" && !open,
      address.kind,
    );
    if (address.kind === "unix") {
      const file = new AdminSocketFile(address.path, mayTakeOver);
      this.#file = file;
      this.#server = file.listenPrivately(() => this.#listen({ unix: file.draft }));
    } else this.#listenOnPort(address, mayTakeOver ? clock.now() + RETRY_FOR_MS : 0);
  }

  /** From now on it is found. @throws FpmError LISTEN_FAILED. */
  publish(): void {
    const { address, log, open } = this.#options;
    this.#file?.publish(open);
    log.info("status and control", { listen: formatListenAddress(address) });
  }

  /** Where it is to be found. */
  get place(): string {
    return formatListenAddress(this.#options.address);
  }

  /** Whether nobody has removed or replaced the file of its socket. */
  get isFound(): boolean {
    return this.#file?.isFound ?? true;
  }

  /** Makes the file of its socket again; who is connected is still answered. @throws FpmError LISTEN_IN_USE, LISTEN_FAILED; then all is as it was. */
  listenAnew(): void {
    const file = this.#file;
    if (!file) return;
    file.prepareAnew();
    const server = file.listenPrivately(() => this.#listen({ unix: file.draft }));
    try {
      file.publish(this.#options.open);
    } catch (error) {
      void server.stop(true);
      throw error;
    }
    const former = this.#server;
    this.#server = server;
    if (!former) return;
    this.#former.add(former);
    void former.stop().then(() => this.#former.delete(former));
  }

  /** Another daemon is to have the address; who is connected is still answered. */
  yield(): void {
    this.#retry?.cancel();
    if (!this.#file) void this.#server?.stop();
  }

  /** Ends it, and leaves nothing behind; what is being answered has a moment. */
  async close(): Promise<void> {
    this.#retry?.cancel();
    this.#events.close();
    this.#file?.remove();
    for (const former of this.#former) void former.stop(true);
    const server = this.#server;
    if (!server) return;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(LAST_ANSWERS_MS, resolve);
    const stopped = server.stop();
    await Promise.race([stopped, late, ...(this.#ends.count > 0 ? [this.#onlyEndWaits(server)] : [])]);
    timer.cancel();
    if (this.#ends.count === 0) await server.stop(true);
  }

  /** Settles when nobody is to be answered but by the end of this process. */
  async #onlyEndWaits(server: Bun.Server<undefined>): Promise<void> {
    const { clock } = this.#options;
    while (server.pendingRequests > this.#ends.count)
      await new Promise<void>((resolve) => void clock.after(RETRY_MS, resolve));
  }

  #listenOnPort(address: Extract<ListenAddress, { kind: "tcp" }>, retryUntil: number): void {
    try {
      this.#server = this.#listen({ hostname: address.host, port: address.port });
    } catch (error) {
      const { clock, log } = this.#options;
      if (retryUntil === 0) throw error;
      if (clock.now() > retryUntil) {
        log.error(`status and control are not to be had: ${messageOf(error)}`, { code: "LISTEN_FAILED" });
        return;
      }
      this.#retry = clock.after(RETRY_MS, () => this.#listenOnPort(address, retryUntil));
    }
  }

  /**
   * Who only looks must not take the descriptors that web servers need: a connection is for one answer, and ends when nobody reads that. Making it may
   * take any time, and events have no end.
   */
  async #answer(request: Request, server: Bun.Server<undefined>): Promise<Response> {
    server.timeout(request, 0);
    const isWelcome = server.pendingRequests <= MOST_ANSWERED;
    const response = isWelcome ? await this.#handle(request) : tooMany();
    const isEndless = response.headers.get("Content-Type") === EVENTS_TYPE && request.method === "GET";
    if (isEndless) return response;
    server.timeout(request, UNREAD_S);
    response.headers.set("Connection", "close");
    return response;
  }

  #listen(where: { unix: string } | { hostname: string; port: number }): Bun.Server<undefined> {
    const { log, address } = this.#options;
    try {
      return Bun.serve({
        ...where,
        development: false,
        // On a Unix socket it holds also for who waits: `timeout` does nothing there (Bun 1.4.5). Strangers do not get to it.
        idleTimeout: address.kind === "tcp" ? UNREAD_S : 0,
        maxRequestBodySize: MAX_BODY_BYTES,
        fetch: (request: Request, server: Bun.Server<undefined>) => this.#answer(request, server),
        error(thrown: unknown) {
          log.error(`a bug in std-fpm's status: ${messageOf(thrown)}`, { stack: (thrown as Error).stack });
          return new Response("a bug in std-fpm; its log has more\n", { status: 500 });
        },
      } as Bun.Serve.Options<undefined>);
    } catch (error) {
      const isTaken = errnoOf(error) === "EADDRINUSE";
      const place = formatListenAddress(address);
      const why = isTaken ? "another process listens there; set another `admin.listen`" : messageOf(error);
      const what = `Cannot listen on ${place}: ${why}.`;
      throw new FpmError(isTaken ? "LISTEN_IN_USE" : "LISTEN_FAILED", "daemon", what, { cause: error });
    }
  }
}

function tooMany(): Response {
  return new Response("Too many ask at once.\n", { status: 503 });
}
