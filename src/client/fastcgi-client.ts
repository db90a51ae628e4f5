import type { Socket, SocketHandler } from "bun";
import { FpmError, messageOf } from "../base/errors.ts";
import { Outbox } from "../base/outbox.ts";
import { Decoder, type RecordSink } from "../fcgi/decoder.ts";
import { encodeHead, encodeStream } from "../fcgi/encoder.ts";
import { encodeParams } from "../fcgi/params.ts";
import {
  END_REQUEST_LENGTH,
  FCGI_END_REQUEST,
  FCGI_REQUEST_COMPLETE,
  FCGI_RESPONDER,
  FCGI_STDERR,
  FCGI_STDIN,
  FCGI_STDOUT,
} from "../fcgi/protocol.ts";
import { type CgiHead, CgiHeadParser } from "./cgi-response.ts";
import { connectProblem } from "./connect-problem.ts";

export type FastCgiAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

export interface FastCgiRequest {
  /** Names and values, a character a byte. */
  readonly params: Iterable<readonly [name: string, value: string]>;
  readonly body: ReadableStream<Uint8Array> | Uint8Array | null;
  /** Ends the exchange: the connection is closed. */
  readonly signal?: AbortSignal;
}

/** How the request ended. */
export type RequestEnd =
  | { readonly kind: "complete"; readonly appStatus: number; readonly protocolStatus: number }
  /** The connection ended without END_REQUEST: what came is not all. */
  | { readonly kind: "truncated"; readonly reason: string };

export interface FastCgiResponse {
  /** undefined when the output does not begin with CGI headers; `headProblem` says why. */
  readonly head: CgiHead | undefined;
  readonly headProblem: string;
  /** The output after the head, or all of it without one. It errors when the answer is truncated; cancel it to close the connection. */
  readonly body: ReadableStream<Uint8Array>;
  /** Never rejects. */
  readonly end: Promise<RequestEnd>;
  /** The last 64 KiB of what came on STDERR so far. */
  stderr(): string;
}

const REQUEST_ID = 1;
const MAX_STDERR_BYTES = 64 * 1024;
const OUTPUT_HIGH_WATER = 256 * 1024;
/** Larger pieces of a body are sent in parts, so that the outbox stays small. */
const SEND_PART = 256 * 1024;

const HANDLERS: SocketHandler<Exchange> = {
  data: (socket, chunk) => socket.data.onData(chunk),
  drain: (socket) => socket.data.onDrain(),
  end: (socket) => socket.data.onClosed("the connection was closed before the end of the request"),
  close: (socket, error) =>
    socket.data.onClosed(error ? error.message : "the connection was closed before the end of the request"),
  error: (socket, error) => socket.data.onClosed(messageOf(error)),
};

/**
 * Sends one request on a connection of its own and resolves when the head of the answer is there, or the request has ended without one.
 * @throws FpmError CONNECT_FAILED when nobody listens at the address.
 */
export async function sendFastCgi(
  address: FastCgiAddress,
  request: FastCgiRequest,
): Promise<FastCgiResponse> {
  const exchange = new Exchange(request);
  const options = { allowHalfOpen: true, data: exchange, socket: HANDLERS };
  try {
    const socket =
      address.kind === "unix"
        ? await Bun.connect({ ...options, unix: address.path })
        : await Bun.connect({ ...options, hostname: address.host, port: address.port });
    return await exchange.start(socket);
  } catch (thrown) {
    const where = address.kind === "unix" ? address.path : `${address.host}:${address.port}`;
    const path = address.kind === "unix" ? address.path : undefined;
    const why = connectProblem(path, thrown) ?? messageOf(thrown);
    throw new FpmError("CONNECT_FAILED", "daemon", `cannot connect to ${where}: ${why}`, { cause: thrown });
  }
}

/** One request and its answer on one connection. */
class Exchange implements RecordSink {
  readonly #request: FastCgiRequest;
  readonly #decoder = new Decoder(this);
  readonly #response = Promise.withResolvers<FastCgiResponse>();
  readonly #end = Promise.withResolvers<RequestEnd>();
  readonly #body: ReadableStream<Uint8Array>;
  readonly #endContent = new Uint8Array(END_REQUEST_LENGTH);
  readonly #output: Uint8Array[] = [];
  #outputBytes = 0;
  #onOutput: (() => void) | undefined;
  #socket: Socket<Exchange> | undefined;
  #outbox: Outbox | undefined;
  #cancelUpload: (() => Promise<void>) | undefined;
  /** Takes the output until its head is complete. */
  #headParser: CgiHeadParser | undefined = new CgiHeadParser();
  #onDrained: (() => void) | undefined;
  readonly #stderrDecoder = new TextDecoder();
  #stderr = "";
  #recordType = 0;
  #endFill = 0;
  #ended: RequestEnd | undefined;

  constructor(request: FastCgiRequest) {
    this.#request = request;
    this.#body = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => this.#pull(controller),
        cancel: () => this.#finish({ kind: "truncated", reason: "the answer was not wanted any more" }),
      },
      // An erring stream drops what it has queued: the queue is our own, so that what came before is read first.
      { highWaterMark: 0 },
    );
  }

  /** Sends the request on a connected socket. */
  async start(socket: Socket<Exchange>): Promise<FastCgiResponse> {
    this.#socket = socket;
    const outbox = new Outbox(socket);
    this.#outbox = outbox;
    const { signal } = this.#request;
    const abort = () => this.#finish({ kind: "truncated", reason: "the request was given up" });
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    void this.#end.promise.then(() => signal?.removeEventListener("abort", abort));
    const head = encodeHead(REQUEST_ID, FCGI_RESPONDER, false, encodeParams(this.#request.params));
    outbox.write(head, 0, head.length);
    void this.#sendBody(outbox).catch((thrown: unknown) => {
      this.#finish({ kind: "truncated", reason: `the request's body broke off: ${messageOf(thrown)}` });
    });
    return await this.#response.promise;
  }

  onData(chunk: Uint8Array): void {
    this.#decoder.push(chunk);
  }

  onDrain(): void {
    if (this.#outbox?.flush()) this.#onDrained?.();
  }

  onClosed(reason: string): void {
    this.#finish({ kind: "truncated", reason });
  }

  onRecord(type: number, requestId: number): null {
    this.#recordType = requestId === REQUEST_ID ? type : 0;
    return null;
  }

  onContent(chunk: Uint8Array, start: number, end: number): void {
    const content = chunk.subarray(start, end);
    if (this.#recordType === FCGI_STDOUT) this.#takeOutput(content);
    else if (this.#recordType === FCGI_STDERR) this.#onStderr(content);
    else if (this.#recordType === FCGI_END_REQUEST) {
      const room = content.subarray(0, END_REQUEST_LENGTH - this.#endFill);
      this.#endContent.set(room, this.#endFill);
      this.#endFill += room.length;
    }
  }

  onRecordEnd(): void {
    if (this.#recordType !== FCGI_END_REQUEST) return;
    const view = new DataView(this.#endContent.buffer);
    const protocolStatus = this.#endFill === END_REQUEST_LENGTH ? view.getUint8(4) : FCGI_REQUEST_COMPLETE;
    this.#finish({ kind: "complete", appStatus: view.getUint32(0), protocolStatus });
  }

  onMalformed(problem: string): void {
    this.#finish({ kind: "truncated", reason: `the answer is not FastCGI: ${problem}` });
  }

  #takeOutput(content: Uint8Array): void {
    if (this.#headParser === undefined) {
      this.#enqueue(content);
      return;
    }
    const result = this.#headParser.push(content);
    if (result.kind === "incomplete") return;
    this.#headParser = undefined;
    if (result.kind === "head") this.#respond(result.head, "");
    else this.#respond(undefined, result.reason);
    this.#enqueue(result.kind === "head" ? result.rest : result.bytes);
  }

  #onStderr(content: Uint8Array): void {
    this.#stderr = (this.#stderr + this.#stderrDecoder.decode(content, { stream: true })).slice(
      -MAX_STDERR_BYTES,
    );
  }

  #enqueue(content: Uint8Array): void {
    if (content.length === 0 || this.#ended) return;
    this.#output.push(content);
    this.#outputBytes += content.length;
    if (this.#outputBytes > OUTPUT_HIGH_WATER) this.#socket?.pause();
    this.#onOutput?.();
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    if (this.#output.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#onOutput = resolve;
      });
    }
    const content = this.#output.shift();
    if (content === undefined) {
      if (this.#ended?.kind === "truncated") {
        controller.error(new FpmError("BACKEND_BROKEN", "backend", this.#ended.reason));
      } else controller.close();
      return;
    }
    controller.enqueue(content);
    this.#outputBytes -= content.length;
    if (this.#outputBytes <= OUTPUT_HIGH_WATER && !this.#ended) this.#socket?.resume();
  }

  #respond(head: CgiHead | undefined, headProblem: string): void {
    const end = this.#end.promise;
    this.#response.resolve({ head, headProblem, body: this.#body, end, stderr: () => this.#stderr });
  }

  /** The one way out: whichever comes first, END_REQUEST, a close or the owner's wish. */
  #finish(end: RequestEnd): void {
    if (this.#ended) return;
    const pending = this.#headParser?.pending;
    this.#headParser = undefined;
    if (pending) this.#enqueue(pending);
    this.#ended = end;
    this.#decoder.stop();
    this.#onOutput?.();
    if (pending)
      this.#respond(undefined, pending.length === 0 ? "there is no output" : "the headers have no end");
    this.#end.resolve(end);
    this.#onDrained?.();
    this.#cancelUpload?.().catch(() => {});
    this.#outbox?.clear();
    this.#socket?.terminate();
  }

  async #sendBody(outbox: Outbox): Promise<void> {
    const { body } = this.#request;
    if (body instanceof Uint8Array) await this.#sendPart(outbox, body);
    else if (body !== null) {
      const reader = body.getReader();
      this.#cancelUpload = () => reader.cancel();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || this.#ended) break;
        await this.#sendPart(outbox, value);
      }
    }
    const last = encodeStream(FCGI_STDIN, REQUEST_ID, new Uint8Array(0), true);
    if (!this.#ended) outbox.write(last, 0, last.length);
  }

  async #sendPart(outbox: Outbox, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#ended; at += SEND_PART) {
      const records = encodeStream(FCGI_STDIN, REQUEST_ID, bytes.subarray(at, at + SEND_PART), false);
      outbox.write(records, 0, records.length);
      if (outbox.bytes > 0) await this.#drained();
    }
  }

  async #drained(): Promise<void> {
    const drained = Promise.withResolvers<void>();
    this.#onDrained = drained.resolve;
    await drained.promise;
    this.#onDrained = undefined;
  }
}
