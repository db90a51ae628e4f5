import type { Socket, TCPSocketListener } from "bun";

/**
 * FastCGI for Bun: serve(request => new Response("Hello")). The process manager hands a listening socket over as
 * descriptor 0; each request that comes in there becomes a Request, as a browser sent it, and the Response goes back.
 */
export type Handler = (request: Request, params: Params) => Response | Promise<Response>;

/** What the web server says about a request: SCRIPT_FILENAME, PATH_INFO, REMOTE_ADDR, … */
export type Params = ReadonlyMap<string, string>;

// https://fastcgi-archives.github.io/FastCGI_Specification.html, §8
const BEGIN_REQUEST = 1;
const END_REQUEST = 3;
const PARAMS = 4;
const STDIN = 5;
const STDOUT = 6;
const KEEP_CONN = 1;
const HEADER_LENGTH = 8;
const MAX_CONTENT = 65_535;

/** Answers requests until SIGTERM; what has begun by then is finished. */
export function serve(handler: Handler): void {
  const options = {
    fd: 0,
    socket: {
      open(socket: Socket<Connection>) {
        socket.data = new Connection(socket, handler);
      },
      data: (socket: Socket<Connection>, chunk: Buffer) => socket.data.receive(chunk),
      drain: (socket: Socket<Connection>) => socket.data.flush(),
      close: (socket: Socket<Connection>) => socket.data.lose(),
    },
  };
  // The types of Bun 1.4 do not know that it listens on descriptors.
  const listener = Bun.listen(options as never) as TCPSocketListener;
  // The process ends by itself when nothing is left to do.
  process.once("SIGTERM", () => listener.stop());
}

/** One connection of the process manager: it carries one request after the other. */
class Connection {
  readonly #socket: Socket<Connection>;
  readonly #handler: Handler;
  #input: Buffer = Buffer.alloc(0);
  #output: Uint8Array[] = [];
  #onDrained: () => void = () => {};
  #params: Buffer = Buffer.alloc(0);
  #body: ReadableStreamDefaultController<Uint8Array> | undefined;
  #isKept = false;

  constructor(socket: Socket<Connection>, handler: Handler) {
    this.#socket = socket;
    this.#handler = handler;
  }

  receive(chunk: Buffer): void {
    this.#input = Buffer.concat([this.#input, chunk]);
    while (this.#input.length >= HEADER_LENGTH) {
      const contentEnd = HEADER_LENGTH + this.#input.readUInt16BE(4);
      const end = contentEnd + this.#input.readUInt8(6);
      if (this.#input.length < end) break;
      const id = this.#input.readUInt16BE(2);
      this.#onRecord(this.#input.readUInt8(1), id, this.#input.subarray(HEADER_LENGTH, contentEnd));
      this.#input = this.#input.subarray(end);
    }
  }

  #onRecord(type: number, id: number, content: Buffer): void {
    if (type === BEGIN_REQUEST) {
      this.#isKept = (content.readUInt8(2) & KEEP_CONN) !== 0;
      this.#params = Buffer.alloc(0);
    } else if (type === PARAMS && content.length > 0) {
      this.#params = Buffer.concat([this.#params, content]);
    } else if (type === PARAMS) {
      void this.#answer(id, decodeParams(this.#params));
    } else if (type === STDIN && content.length > 0) {
      this.#body?.enqueue(Uint8Array.from(content));
      if ((this.#body?.desiredSize ?? 1) <= 0) this.#socket.pause();
    } else if (type === STDIN) {
      this.#body?.close();
      this.#body = undefined;
    }
  }

  async #answer(id: number, params: Params): Promise<void> {
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#body = controller;
        },
        pull: () => void this.#socket.resume(),
        cancel: () => {
          this.#body = undefined;
          this.#socket.resume();
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: 1024 * 1024 }),
    );
    const response = await this.#respond(requestOf(params, body), params);
    const headers = [...response.headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
    await this.#write(id, Buffer.from(`Status: ${response.status}\r\n${headers}\r\n`));
    const chunks = (response.body ?? []) as AsyncIterable<Uint8Array>;
    for await (const chunk of chunks) await this.#write(id, chunk);
    this.#send(Buffer.concat([record(STDOUT, id), record(END_REQUEST, id, new Uint8Array(8))]));
    // What the handler left of the body is dropped.
    this.#body = undefined;
    if (this.#isKept) this.#socket.resume();
    else this.#socket.end();
  }

  async #respond(request: Request, params: Params): Promise<Response> {
    try {
      return await this.#handler(request, params);
    } catch (error) {
      console.error(error);
      return new Response("Something went wrong.\n", { status: 500 });
    }
  }

  /** A piece of the answer; resolves when the next one is welcome. */
  async #write(id: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += MAX_CONTENT) {
      this.#send(record(STDOUT, id, bytes.subarray(at, at + MAX_CONTENT)));
    }
    if (this.#output.length > 0) await new Promise<void>((resolve) => (this.#onDrained = resolve));
  }

  #send(bytes: Uint8Array): void {
    this.#output.push(bytes);
    this.flush();
  }

  flush(): void {
    for (let next = this.#output[0]; next; next = this.#output[0]) {
      const taken = this.#socket.write(next);
      if (taken < next.length) {
        this.#output[0] = next.subarray(Math.max(0, taken));
        return;
      }
      this.#output.shift();
    }
    this.#onDrained();
  }

  lose(): void {
    this.#body?.error(new Error("the client has left"));
    this.#body = undefined;
    this.#output = [];
    this.#onDrained();
  }
}

function record(type: number, id: number, content: Uint8Array = new Uint8Array()): Uint8Array {
  const header = Buffer.alloc(HEADER_LENGTH);
  header.writeUInt8(1, 0);
  header.writeUInt8(type, 1);
  header.writeUInt16BE(id, 2);
  header.writeUInt16BE(content.length, 4);
  return Buffer.concat([header, content]);
}

/** Pairs of lengths, name and value; a length above 127 has four bytes (§3.4). */
function decodeParams(bytes: Buffer): Params {
  const params = new Map<string, string>();
  let at = 0;
  const length = () => {
    const isShort = bytes.readUInt8(at) < 128;
    const value = isShort ? bytes.readUInt8(at) : bytes.readUInt32BE(at) & 0x7fffffff;
    at += isShort ? 1 : 4;
    return value;
  };
  while (at < bytes.length) {
    const [nameLength, valueLength] = [length(), length()];
    const nameEnd = at + nameLength;
    params.set(bytes.toString("utf8", at, nameEnd), bytes.toString("utf8", nameEnd, nameEnd + valueLength));
    at = nameEnd + valueLength;
  }
  return params;
}

function requestOf(params: Params, body: ReadableStream<Uint8Array>): Request {
  const method = params.get("REQUEST_METHOD") ?? "GET";
  const scheme = params.get("HTTPS") === "on" ? "https" : "http";
  const url = `${scheme}://${params.get("HTTP_HOST") ?? "localhost"}${params.get("REQUEST_URI") ?? "/"}`;
  const headers = new Headers();
  for (const [name, value] of params) {
    const header = name.match(/^(?:HTTP_(.+)|(CONTENT_(?:TYPE|LENGTH)))$/);
    if (header && value !== "") headers.set((header[1] ?? header[2] ?? "").replaceAll("_", "-"), value);
  }
  const hasBody = method !== "GET" && method !== "HEAD";
  return new Request(url, { method, headers, ...(hasBody ? { body } : {}) });
}
