import { FCGI_END_REQUEST } from "../../src/fcgi/protocol.ts";
import { readRecords } from "./record-streams.ts";

/** How long anything may take that depends on the other side alone. */
const PATIENCE_MS = 20_000;

/** A web server's side of a connection that sends whatever it is told, and keeps what comes. */
export interface RawClient {
  /** Each chunk is written by itself. */
  send(chunks: readonly Uint8Array[]): Promise<void>;
  /** Waits until so many requests were ended, or the connection was. */
  ended(requests: number): Promise<void>;
  /** Sends no more, and gives all that came when the other side has closed. */
  finish(): Promise<Uint8Array>;
  /** Closes at once; gives what came. */
  leave(): Uint8Array;
}

/** Connects to a Unix socket. */
export async function connectRaw(path: string): Promise<RawClient> {
  const pieces: Uint8Array[] = [];
  let isClosed = false;
  let room = true;
  let onChange = () => {};
  const socket = await Bun.connect({
    unix: path,
    allowHalfOpen: true,
    socket: {
      data(_socket, chunk) {
        pieces.push(chunk);
        onChange();
      },
      drain() {
        room = true;
        onChange();
      },
      end: (ended) => void ended.end(),
      close() {
        isClosed = true;
        onChange();
      },
      error() {},
    },
  });
  const until = async (what: string, isSo: () => boolean) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      onChange();
    }, PATIENCE_MS);
    while (!isSo()) {
      if (isLate) throw new Error(`waited ${PATIENCE_MS} ms in vain: ${what}`);
      await new Promise<void>((resolve) => {
        onChange = resolve;
      });
    }
    clearTimeout(timer);
  };
  const received = () => Buffer.concat(pieces);
  const endedCount = () =>
    readRecords(received()).records.filter(({ type }) => type === FCGI_END_REQUEST).length;
  return {
    async send(chunks) {
      for (const chunk of chunks) {
        for (let at = 0; at < chunk.length && !isClosed; ) {
          const taken = socket.write(chunk, at, chunk.length - at);
          if (taken < 0) return;
          at += taken;
          room = at === chunk.length;
          await until("there is room to write", () => isClosed || room);
        }
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    },
    ended: (requests) => until(`${requests} END_REQUESTs`, () => isClosed || endedCount() >= requests),
    async finish() {
      socket.shutdown();
      await until("the connection is closed", () => isClosed);
      return received();
    },
    leave() {
      socket.terminate();
      return received();
    },
  };
}
