import type { BodyReader, Link } from "../backend/link.ts";
import { ByteQueue } from "../base/byte-queue.ts";
import { FpmError } from "../base/errors.ts";
import type { RequestHead } from "../fcgi/head.ts";
import type { CollectedBody } from "./body-collector.ts";
import type { ClientListener, ClientStream, LeaveListener } from "./client-stream.ts";
import type { SpoolFile } from "./spool-file.ts";

const READ_BYTES = 128 * 1024;
/** For who reads on when nobody waits any more: no more of it is held than a pipe takes (pipe(7)). */
const READ_ON_BYTES = 64 * 1024;
const NOTHING = new ByteQueue();

/** A client whose whole body was collected before: it can be sent as often as need be. */
export class SpooledClient implements ClientStream, ClientListener {
  readonly #client: ClientStream;
  readonly #collected: CollectedBody;
  #listener: ClientListener | undefined;
  /** How much of the file was handed on. */
  #position = 0;
  /** Settles when more of the file is wanted. */
  #resumed: PromiseWithResolvers<void> | undefined;
  /** The program gets the rest although the request is over. */
  #isReadOn = false;

  constructor(client: ClientStream, collected: CollectedBody) {
    this.#client = client;
    this.#collected = collected;
  }

  get head(): RequestHead {
    return this.#client.head;
  }

  get body(): ByteQueue {
    return this.#collected.file ? NOTHING : this.#collected.records;
  }

  get bodyBytes(): number {
    return this.#collected.contentBytes;
  }

  get isHeld(): boolean {
    return true;
  }

  get isBodyComplete(): boolean {
    const { file } = this.#collected;
    return file === undefined || this.#position >= file.size;
  }

  get isGone(): boolean {
    return this.#client.isGone;
  }

  get isAnswered(): boolean {
    return this.#client.isAnswered;
  }

  listen(listener: ClientListener | undefined): void {
    this.#listener = listener;
    this.resumeBody();
    this.#client.listen(listener && this);
    if (!listener || !this.#collected.file) return;
    this.#position = 0;
    this.#handOn(listener).catch((bug) => {
      listener.onBodyFailed(new FpmError("BACKEND_BROKEN", "daemon", "A bug in std-fpm.", { cause: bug }));
      throw bug;
    });
  }

  whenLeft(waiter: LeaveListener | undefined): void {
    this.#client.whenLeft(waiter);
  }

  limitBody(maxBytes: number): void {
    this.#client.limitBody(maxBytes);
  }

  pauseBody(): void {
    this.#resumed ??= Promise.withResolvers();
  }

  resumeBody(): void {
    this.#resumed?.resolve();
    this.#resumed = undefined;
  }

  respond(chunk: Uint8Array, start: number, end: number): boolean {
    return this.#client.respond(chunk, start, end);
  }

  forwardStderr(chunk: Uint8Array, start: number, end: number): boolean {
    return this.#client.forwardStderr(chunk, start, end);
  }

  complete(now?: number): void {
    this.#client.complete(now);
  }

  refuse(error: FpmError): void {
    this.#client.refuse(error);
  }

  truncate(): void {
    this.#client.truncate();
  }

  /** The answer is over, and the program may read on: it gets the rest of the file, which is given up then. */
  readOn(link: Link | undefined): void {
    const { file } = this.#collected;
    const reader = file && !this.isBodyComplete ? link?.outlive() : undefined;
    if (!file || !reader) return;
    this.#isReadOn = true;
    reader.onDrain = () => this.resumeBody();
    void this.#feed(file, reader).finally(() => {
      reader.leave();
      file.close();
    });
  }

  /** Gives up the body, unless somebody reads on. */
  close(): void {
    this.#listener = undefined;
    this.#collected.records.clear();
    if (this.#isReadOn) return;
    this.resumeBody();
    this.#collected.file?.close();
  }

  onBody(): void {}

  onBodyEnd(): void {}

  /** All of it is kept anyway. */
  get mayBeUnseen(): boolean {
    return false;
  }

  onBodyFailed(error: FpmError): void {
    this.#listener?.onBodyFailed(error);
  }

  onClientDrain(): void {
    this.#listener?.onClientDrain();
  }

  onClientLeft(): void {
    this.#listener?.onClientLeft();
  }

  /** What cannot be read ends it: the program's client has gone, or has been answered. */
  async #feed(file: SpoolFile, reader: BodyReader): Promise<void> {
    while (this.#position < file.size && !reader.isClosed) {
      if (reader.isCongested) {
        this.pauseBody();
        await this.#resumed?.promise;
        continue;
      }
      const piece = await file.read(this.#position, READ_ON_BYTES).catch(() => undefined);
      if (!piece) return;
      this.#position += piece.length;
      reader.write(piece, 0, piece.length);
    }
  }

  /** Reads the file, as fast as the program takes it. */
  async #handOn(listener: ClientListener): Promise<void> {
    const { file } = this.#collected;
    while (file && this.#position < file.size) {
      if (this.#resumed) await this.#resumed.promise;
      if (this.#listener !== listener) return;
      const piece = await file.read(this.#position, READ_BYTES).catch((error: FpmError) => error);
      if (this.#listener !== listener) return;
      if (piece instanceof FpmError) {
        // The program must not take a part for the whole.
        listener.onBodyFailed(piece);
        return;
      }
      this.#position += piece.length;
      listener.onBody(piece, 0, piece.length);
    }
    if (this.#listener === listener) listener.onBodyEnd();
  }
}
