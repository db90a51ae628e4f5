import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { FpmError } from "../../src/base/errors.ts";
import { type FastCgiRequest, type FastCgiResponse, sendFastCgi } from "../../src/client/fastcgi-client.ts";
import { Decoder } from "../../src/fcgi/decoder.ts";
import { encodeEndRequest, encodeRecord, encodeStream } from "../../src/fcgi/encoder.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import { FCGI_PARAMS, FCGI_STDERR, FCGI_STDIN, FCGI_STDOUT } from "../../src/fcgi/protocol.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";

/** What a test's server does when the request's STDIN has ended, or at once with the head. */
interface Script {
  at: "head" | "end";
  answer(socket: Bun.Socket<Received>): void;
}

interface Received {
  decoder: Decoder;
  params: Uint8Array[];
  body: Uint8Array[];
}

let folder: TempDir;
let server: { stop(force: boolean): void } | undefined;

beforeEach(() => {
  folder = makeTempDir();
});
afterEach(() => {
  server?.stop(true);
  server = undefined;
  folder[Symbol.dispose]();
});

/** A server for one request at a time; resolves with what it received when the request's end was reached. */
function serve(script: Script): Promise<Received> {
  const { promise, resolve } = Promise.withResolvers<Received>();
  server = Bun.listen<Received>({
    unix: folder.at("s"),
    allowHalfOpen: true,
    socket: {
      open(socket) {
        let type = 0;
        let length = 0;
        const received: Received = {
          params: [],
          body: [],
          decoder: new Decoder({
            onRecord(recordType, _id, contentLength) {
              type = recordType;
              length = contentLength;
              return null;
            },
            onContent(chunk, start, end) {
              if (type === FCGI_PARAMS) received.params.push(chunk.slice(start, end));
              if (type === FCGI_STDIN) received.body.push(chunk.slice(start, end));
            },
            onRecordEnd() {
              if (length > 0) return;
              if (type === FCGI_PARAMS && script.at === "head") script.answer(socket);
              if (type !== FCGI_STDIN) return;
              if (script.at === "end") script.answer(socket);
              resolve(received);
            },
            onMalformed() {},
          }),
        };
        socket.data = received;
      },
      data(socket, chunk) {
        socket.data.decoder.push(chunk);
      },
    },
  });
  return promise;
}

function send(request: Partial<FastCgiRequest> = {}): Promise<FastCgiResponse> {
  return sendFastCgi({ kind: "unix", path: folder.at("s") }, { params: [], body: null, ...request });
}

function stdout(text: string): Uint8Array {
  return encodeStream(FCGI_STDOUT, 1, Buffer.from(text), false);
}

const done = encodeEndRequest(1, 0, 0);

function answering(...records: Uint8Array[]): Script {
  return { at: "end", answer: (socket) => void socket.write(Buffer.concat(records)) };
}

/** The text of a body, and the error that ended it. */
async function read(body: ReadableStream<Uint8Array>): Promise<{ text: string; error: unknown }> {
  let text = "";
  try {
    for await (const chunk of body) text += Buffer.from(chunk).toString("latin1");
    return { text, error: undefined };
  } catch (error) {
    return { text, error };
  }
}

describe("a request", () => {
  test("params and body arrive as they were given", async () => {
    const arrived = serve(answering(stdout("A: b\n\n"), done));
    const params = [
      ["SCRIPT_FILENAME", "/\xfcx"],
      ["LONG", "v".repeat(300)],
    ] as const;
    await send({ params, body: Buffer.from("the body") });
    const received = await arrived;
    expect(Buffer.concat(received.params).equals(encodeParams(params))).toBe(true);
    expect(Buffer.concat(received.body).toString()).toBe("the body");
  });

  test("a stream of 8 MiB arrives whole, though the socket takes it in parts", async () => {
    const arrived = serve(answering(stdout("\n"), done));
    const part = new Uint8Array(512 * 1024).map((_, index) => index % 251);
    let left = 16;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (left-- > 0) controller.enqueue(part);
        else controller.close();
      },
    });
    await (await send({ body })).end;
    const received = Buffer.concat((await arrived).body);
    expect(received.length).toBe(16 * part.length);
    expect(received.subarray(-part.length).equals(part)).toBe(true);
  });

  test("an answer that comes before the body was read ends the request and cancels the body", async () => {
    const cancelled = Promise.withResolvers<void>();
    serve({
      at: "head",
      answer: (socket) => void socket.write(Buffer.concat([stdout("Status: 413\n\nno"), done])),
    });
    const body = new ReadableStream<Uint8Array>({ cancel: () => cancelled.resolve() });
    const response = await send({ body });
    expect(response.head?.status).toBe(413);
    expect(await read(response.body)).toEqual({ text: "no", error: undefined });
    await cancelled.promise;
  });

  test("a body that breaks off ends the exchange as truncated", async () => {
    serve(answering());
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new Error("gone")),
    });
    const response = await send({ body });
    expect(await response.end).toEqual({ kind: "truncated", reason: "the request's body broke off: gone" });
  });
});

describe("an answer", () => {
  test("head, body, stderr and end status come apart, however the records are cut", async () => {
    const records = Buffer.concat([
      encodeRecord(FCGI_STDERR, 1, Buffer.from("warn ü")),
      stdout("Status: 201 Made\r\nA: 1\r\n"),
      encodeRecord(FCGI_STDOUT, 9, Buffer.from("of another request")),
      stdout("A: 2\r\n\r\nbo"),
      stdout("dy"),
      encodeRecord(FCGI_STDOUT, 1, new Uint8Array(0)),
      encodeEndRequest(1, 0x01020304, 0),
    ]);
    serve({
      at: "end",
      answer(socket) {
        for (const byte of records) socket.write(Uint8Array.of(byte));
      },
    });
    const response = await send();
    expect(response.head).toEqual({
      status: 201,
      statusText: "Made",
      headers: [
        ["A", "1"],
        ["A", "2"],
      ],
    });
    expect(await read(response.body)).toEqual({ text: "body", error: undefined });
    expect(await response.end).toEqual({ kind: "complete", appStatus: 0x01020304, protocolStatus: 0 });
    expect(response.stderr()).toBe("warn ü");
  });

  test("a reader that does not read holds the sender back", async () => {
    const piece = stdout("x".repeat(60_000));
    let sent = 0;
    const blocked = Promise.withResolvers<void>();
    const fill = (socket: Bun.Socket<Received>) => {
      while (sent < 64 * 1024 * 1024) {
        const taken = socket.write(piece);
        sent += Math.max(0, taken);
        if (taken < piece.length) return blocked.resolve();
      }
    };
    const answer = (socket: Bun.Socket<Received>) => {
      socket.write(stdout("\n"));
      fill(socket);
    };
    serve({ at: "end", answer });
    const response = await send();
    await blocked.promise;
    expect(sent).toBeLessThan(8 * 1024 * 1024);
    await response.body.cancel();
    expect((await response.end).kind).toBe("truncated");
  });

  test("one that ends without END_REQUEST is truncated, and its body errors instead of ending", async () => {
    serve({ at: "end", answer: (socket) => void socket.end(stdout("A: b\n\nhalf")) });
    const response = await send();
    await response.end;
    const { text, error } = await read(response.body);
    expect(text).toBe("half");
    expect(error).toBeInstanceOf(FpmError);
    expect((error as FpmError).code).toBe("BACKEND_BROKEN");
    expect(await response.end).toMatchObject({ kind: "truncated" });
  });

  test("one that is not FastCGI is truncated", async () => {
    serve(answering(Buffer.from("HTTP/1.1 200 OK\r\n\r\n")));
    const response = await send();
    expect(response.head).toBeUndefined();
    expect(await response.end).toMatchObject({
      kind: "truncated",
      reason: expect.stringContaining("not FastCGI"),
    });
  });

  test("output without headers is handed over as the body, with the reason", async () => {
    serve(answering(stdout("hello\n\nworld"), done));
    const response = await send();
    expect(response.head).toBeUndefined();
    expect(response.headProblem).toBe('this is not a header line: "hello"');
    expect((await read(response.body)).text).toBe("hello\n\nworld");
  });

  test("headers that never end, and no output at all, are told apart", async () => {
    serve(answering(stdout("A: b\n"), done));
    const unfinished = await send();
    expect(unfinished.headProblem).toBe("the headers have no end");
    expect((await read(unfinished.body)).text).toBe("A: b\n");
    server?.stop(true);
    serve(answering(encodeEndRequest(1, 7, 2)));
    const silent = await send();
    expect(silent.headProblem).toBe("there is no output");
    expect(await silent.end).toEqual({ kind: "complete", appStatus: 7, protocolStatus: 2 });
  });

  test("an aborted signal gives the request up", async () => {
    serve({ at: "end", answer: (socket) => void socket.write(stdout("A: b\n\n")) });
    const controller = new AbortController();
    const response = await send({ signal: controller.signal });
    controller.abort();
    expect(await response.end).toEqual({ kind: "truncated", reason: "the request was given up" });
  });
});

test("an address where nobody listens is an error that names it", async () => {
  const failure = send().then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(await failure).toMatchObject({
    code: "CONNECT_FAILED",
    message: expect.stringContaining(folder.at("s")),
  });
});
