import type { Pieces } from "../status/answers.ts";

/** Up to here a body is copied into one piece, and its length is told in the header. */
const MAX_WHOLE_BYTES = 512 * 1024;

/** Pieces as the body of an answer over HTTP. A large one is handed on piece by piece, as fast as it is taken. */
export function bodyOf(pieces: Pieces): Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> {
  const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
  return bytes > MAX_WHOLE_BYTES ? streamOf(pieces) : Buffer.concat(pieces, bytes);
}

function streamOf(pieces: Pieces): ReadableStream<Uint8Array> {
  const rest = pieces.values();
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const { done, value } = rest.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}
