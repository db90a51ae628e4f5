import { encodeHead, encodeStream } from "../../src/fcgi/encoder.ts";
import { encodeParams, latin1 } from "../../src/fcgi/params.ts";
import {
  FCGI_END_REQUEST,
  FCGI_RESPONDER,
  FCGI_STDERR,
  FCGI_STDIN,
  FCGI_STDOUT,
} from "../../src/fcgi/protocol.ts";
import { waitUntil } from "./wait-until.ts";

/** One record as it came. */
export interface FcgiRecord {
  readonly version: number;
  readonly type: number;
  readonly requestId: number;
  readonly content: Uint8Array;
}

/** The answer to one request, as far as it came. */
export interface FcgiAnswer {
  stdout: string;
  stderr: string;
  appStatus: number;
  protocolStatus: number;
}

export interface FcgiRequestOptions {
  id?: number;
  role?: number;
  keepConn?: boolean;
  params?: Record<string, string>;
  /** STDIN, with its end; null leaves the stream open. */
  body?: Uint8Array | null;
}

/** A web server's side of a FastCGI connection, byte by byte under the test's control. */
export interface FcgiConnection extends Disposable {
  /** Sends raw bytes, all of them. */
  send(bytes: Uint8Array): Promise<void>;
  /** What one whole request looks like on the wire. */
  encode(script: string, options?: FcgiRequestOptions): Uint8Array;
  /** Sends a request and waits for its END_REQUEST. */
  request(script: string, options?: FcgiRequestOptions): Promise<FcgiAnswer>;
  /** The answer to a request that was sent; waits for its END_REQUEST. */
  answer(id?: number): Promise<FcgiAnswer>;
  /** The records so far. */
  readonly records: readonly FcgiRecord[];
  /** What came after the last whole record. */
  readonly partOfRecord: Uint8Array;
  /** Whether the other side has closed. */
  readonly isClosed: boolean;
  closed(): Promise<void>;
  /** Stops and resumes reading. */
  pause(): void;
  resume(): void;
  /** Reads until that many bytes more have come, or a read's worth above it, and stops again. */
  take(bytes: number): Promise<void>;
}

/** Connects to a Unix socket, given by its path, or to a TCP address. */
export async function connectFcgi(to: string | { hostname: string; port: number }): Promise<FcgiConnection> {
  const records: FcgiRecord[] = [];
  let unread: Buffer = Buffer.alloc(0);
  let isClosed = false;
  let onDrain = () => {};
  let taken = 0;
  let pauseAt = Number.POSITIVE_INFINITY;
  const socket = await Bun.connect({
    ...((typeof to === "string" ? { unix: to } : to) as { unix: string }),
    allowHalfOpen: true,
    socket: {
      data(self, chunk) {
        taken += chunk.length;
        if (taken >= pauseAt) self.pause();
        unread = takeRecords(
          unread.length === 0 ? Buffer.from(chunk) : Buffer.concat([unread, chunk]),
          records,
        );
      },
      drain: () => onDrain(),
      end() {
        isClosed = true;
      },
      close() {
        isClosed = true;
        onDrain();
      },
      error() {},
    },
  });
  const connection: FcgiConnection = {
    records,
    get partOfRecord() {
      return unread;
    },
    get isClosed() {
      return isClosed;
    },
    async send(bytes) {
      for (let at = 0; at < bytes.length && !isClosed; ) {
        const taken = socket.write(bytes, at, bytes.length - at);
        if (taken < 0) return;
        at += taken;
        if (at < bytes.length) {
          const { promise, resolve } = Promise.withResolvers<void>();
          onDrain = resolve;
          await promise;
        }
      }
    },
    encode: encodeRequest,
    async request(script, options = {}) {
      await connection.send(encodeRequest(script, options));
      return connection.answer(options.id);
    },
    async answer(id = 1) {
      await waitUntil(`END_REQUEST of request ${id}`, () => hasEnded(records, id) || isClosed, 30_000);
      if (!hasEnded(records, id)) throw new Error(`the connection was closed without END_REQUEST of ${id}`);
      return answerOf(records, id);
    },
    closed: async () => {
      await waitUntil("the connection is closed", () => isClosed);
    },
    pause: () => socket.pause(),
    resume() {
      pauseAt = Number.POSITIVE_INFINITY;
      socket.resume();
    },
    async take(bytes) {
      pauseAt = taken + bytes;
      socket.resume();
      await waitUntil(`${bytes} bytes more`, () => taken >= pauseAt || isClosed);
    },
    [Symbol.dispose]: () => socket.terminate(),
  };
  return connection;
}

function encodeRequest(script: string, options: FcgiRequestOptions = {}): Uint8Array {
  const { id = 1, role = FCGI_RESPONDER, keepConn = false, params = {}, body = new Uint8Array() } = options;
  const all = { SCRIPT_FILENAME: script, REQUEST_METHOD: "GET", QUERY_STRING: "", ...params };
  const head = encodeHead(id, role, keepConn, encodeParams(Object.entries(all)));
  return Buffer.concat([head, body === null ? new Uint8Array() : encodeStream(FCGI_STDIN, id, body, true)]);
}

function takeRecords(bytes: Buffer, into: FcgiRecord[]): Buffer {
  let at = 0;
  while (bytes.length - at >= 8) {
    const contentLength = bytes.readUInt16BE(at + 4);
    const end = at + 8 + contentLength + bytes.readUInt8(at + 6);
    if (bytes.length < end) break;
    into.push({
      version: bytes.readUInt8(at),
      type: bytes.readUInt8(at + 1),
      requestId: bytes.readUInt16BE(at + 2),
      content: bytes.subarray(at + 8, at + 8 + contentLength),
    });
    at = end;
  }
  return bytes.subarray(at);
}

function hasEnded(records: readonly FcgiRecord[], id: number): boolean {
  return records.some(({ type, requestId }) => type === FCGI_END_REQUEST && requestId === id);
}

function answerOf(records: readonly FcgiRecord[], id: number): FcgiAnswer {
  const mine = records.filter(({ requestId }) => requestId === id);
  const stream = (type: number) => {
    return latin1(Buffer.concat(mine.filter((record) => record.type === type).map(({ content }) => content)));
  };
  const end = Buffer.from(mine.find(({ type }) => type === FCGI_END_REQUEST)?.content ?? new Uint8Array(8));
  return {
    stdout: stream(FCGI_STDOUT),
    stderr: stream(FCGI_STDERR),
    appStatus: end.readUInt32BE(0),
    protocolStatus: end.readUInt8(4),
  };
}
