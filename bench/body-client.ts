import { encodeHead, encodeStream } from "../src/fcgi/encoder.ts";
import { encodeParams } from "../src/fcgi/params.ts";
import { FCGI_RESPONDER, FCGI_STDIN } from "../src/fcgi/protocol.ts";

/** A request with a large body, or for a large answer, as bytes. */
export function requestBytes(script: string, query: string, bodyBytes: number): Uint8Array {
  const params = {
    SCRIPT_FILENAME: script,
    SCRIPT_NAME: "/x",
    REQUEST_METHOD: bodyBytes > 0 ? "POST" : "GET",
    QUERY_STRING: query,
    CONTENT_LENGTH: bodyBytes > 0 ? String(bodyBytes) : "",
  };
  const head = encodeHead(1, FCGI_RESPONDER, false, encodeParams(Object.entries(params)));
  return Buffer.concat([head, encodeStream(FCGI_STDIN, 1, new Uint8Array(bodyBytes), true)]);
}

/** Sends a request on a connection of its own and reads the answer to its end; how many bytes that had. */
export function transfer(socketPath: string, request: Uint8Array): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let sent = 0;
  let received = 0;
  const send = (socket: { write(bytes: Uint8Array): number }) => {
    while (sent < request.length) {
      const taken = socket.write(request.subarray(sent));
      if (taken <= 0) return;
      sent += taken;
    }
  };
  Bun.connect({
    unix: socketPath,
    allowHalfOpen: true,
    socket: {
      open: send,
      drain: send,
      data(_socket, chunk) {
        received += chunk.length;
      },
      end: (socket) => void socket.end(),
      close: () => resolve(received),
      error: (_socket, error) => reject(error),
    },
  }).catch(reject);
  return promise;
}
