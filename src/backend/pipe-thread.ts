import { setNonBlocking } from "../base/libc.ts";
import { addressOf, closeHeld, readInto, writeFrom } from "../base/raw-io.ts";
import { PIPE_BYTES, type PipeAnswer, type PipeOrder } from "./pipes.ts";

// The entry of a thread that reads, writes and closes the pipes of programs: see `Pipes`. A program can have it stand.

declare const self: Worker;

/** What was read, until the next order. */
const bytes = new Uint8Array(PIPE_BYTES);
const at = addressOf(bytes);

self.onmessage = ({ data }: MessageEvent<string>) => {
  self.postMessage(JSON.stringify(done(JSON.parse(data) as PipeOrder)));
};

function done(order: PipeOrder): PipeAnswer {
  switch (order.kind) {
    case "read":
      setNonBlocking(order.fd);
      return { result: readInto(order.fd, bytes), at };
    case "write":
      setNonBlocking(order.fd);
      return { result: writeFrom(order.fd, order.at, order.length), at };
    case "close":
      closeHeld(order.fd);
      return { result: 0, at };
  }
}
