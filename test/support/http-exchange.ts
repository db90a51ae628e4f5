import { type HttpBody, HttpResponseReader } from "./http-response-reader.ts";

/** What to ask, over a connection of its own. */
export interface HttpRequest {
  port: number;
  path: string;
  method?: string;
  headers?: Record<string, string>;
  /** A whole body, or a stream of known length, or (chunked) of unknown length. */
  body?: Uint8Array | { chunks: Iterable<Uint8Array>; length: number | "chunked" };
  /** Takes the answer's body as it comes instead of keeping it. */
  onBody?: (chunk: Uint8Array) => void;
  /** Leaves (closes the connection) as soon as so many bytes of the answer's body have come. */
  leaveAfter?: number;
  /** Leaves after so many milliseconds. */
  leaveAfterMs?: number;
}

/** What came. */
export interface HttpAnswer {
  /** 0 when the connection ended before a status came. */
  status: number;
  headers: Headers;
  /** Empty when `onBody` took it. */
  body: Uint8Array;
  bodyLength: number;
  /**
   * How it ended: `complete` only when everything that Content-Length or the chunks announced came; a body that
   * ends by the connection's end is `until-close`; `aborted` = the connection ended or was reset before.
   */
  end: "complete" | "until-close" | "aborted" | "left";
  text(): string;
}

/**
 * One HTTP/1.1 exchange on a bare TCP connection. Unlike fetch it tells an aborted transfer from a short one, sends
 * bodies of any length without keeping them, and reads the answer while it still sends.
 */
export function exchange(request: HttpRequest): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const method = request.method ?? (request.body === undefined ? "GET" : "POST");
  const reader = new HttpResponseReader(method === "HEAD", request.onBody);
  const output = outputOf(request, method);
  let isFinished = false;
  let pending: Uint8Array | undefined;
  let leaveTimer: Timer | undefined;

  const finish = (socket: Bun.Socket, end: HttpBody["end"] | "left") => {
    if (isFinished) return;
    isFinished = true;
    clearTimeout(leaveTimer);
    socket.terminate();
    resolve(reader.answer(end));
  };
  const send = (socket: Bun.Socket) => {
    for (;;) {
      pending ??= output.next().value ?? undefined;
      if (pending === undefined) return;
      const taken = socket.write(pending);
      if (taken < pending.length) {
        if (taken > 0) pending = pending.subarray(taken);
        return;
      }
      pending = undefined;
    }
  };
  Bun.connect({
    hostname: "127.0.0.1",
    port: request.port,
    socket: {
      open(socket) {
        if (request.leaveAfterMs !== undefined) {
          leaveTimer = setTimeout(() => finish(socket, "left"), request.leaveAfterMs);
        }
        send(socket);
      },
      drain: send,
      data(socket, chunk) {
        try {
          reader.take(chunk);
        } catch (error) {
          socket.terminate();
          reject(error);
          return;
        }
        if (reader.isComplete) finish(socket, "complete");
        else if (reader.bodyLength >= (request.leaveAfter ?? Infinity)) finish(socket, "left");
      },
      end: (socket) => finish(socket, reader.endOfConnection()),
      close: (socket, error) => finish(socket, error ? "aborted" : reader.endOfConnection()),
      connectError: (_socket, error) => reject(error),
    },
  }).catch(reject);
  return promise;
}

function* outputOf(request: HttpRequest, method: string): Generator<Uint8Array> {
  const { body } = request;
  const headers: Record<string, string> = { Host: "localhost", Connection: "close", ...request.headers };
  if (body instanceof Uint8Array) headers["Content-Length"] = String(body.length);
  else if (body?.length === "chunked") headers["Transfer-Encoding"] = "chunked";
  else if (body !== undefined) headers["Content-Length"] = String(body.length);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  yield Buffer.from(`${method} ${request.path} HTTP/1.1\r\n${lines.join("")}\r\n`, "latin1");
  if (body instanceof Uint8Array) {
    if (body.length > 0) yield body;
    return;
  }
  for (const chunk of body?.chunks ?? []) {
    yield body?.length === "chunked" ? asHttpChunk(chunk) : chunk;
  }
  if (body?.length === "chunked") yield Buffer.from("0\r\n\r\n");
}

function asHttpChunk(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
}
