/** Who uses a link: the relay of the request that it carries. */
export interface LinkUser {
  onLinkData(chunk: Uint8Array): void;
  /** What waited has been taken. */
  onLinkDrain(): void;
  /** The connection is over: the program closed it (`reason` undefined) or it broke. */
  onLinkClosed(reason: string | undefined): void;
}

/** A connection that carries FastCGI records to a program and its answer back. */
export interface Link {
  readonly isOpen: boolean;
  /** Whether so much waits to be sent that the client should be paused. */
  readonly isCongested: boolean;
  /** Whether anything waits that the program has not taken. */
  readonly isWaiting: boolean;
  /** Events go to `user` from now on; with undefined the link rests between two requests. */
  use(user: LinkUser | undefined): void;
  /** Sends `chunk[start, end)` now or later; by reference. */
  write(chunk: Uint8Array, start: number, end: number): void;
  /** Sends `bytes` as the last: the program then reads the end of the stream. Its answer can still come. */
  writeLast(bytes: Uint8Array): void;
  pause(): void;
  resume(): void;
  /** Closes in both directions at once; nothing is told to the user. */
  close(): void;
  /** It is over: its user is told. */
  onClosed(reason: string | undefined): void;
}
