// The floor for bodies: pairs a connection from a client with a new one to a program that is free, and passes the bytes on both ways with
// back-pressure. Nothing is looked at, nothing goes wrong: `bun bench/floor-bodies.ts LISTEN BACKEND...`
import type { Socket } from "bun";

/** Bytes on their way to a socket. */
class Passage {
  to: Socket<Pair> | undefined;
  from: Socket<Pair> | undefined;
  hasEnded = false;
  readonly #waiting: Uint8Array[] = [];
  #isPaused = false;

  push(chunk: Uint8Array): void {
    this.#waiting.push(chunk);
    if (!this.#isPaused) this.flush();
  }

  flush(): void {
    const { to } = this;
    if (!to) return;
    for (let chunk = this.#waiting[0]; chunk; chunk = this.#waiting[0]) {
      const taken = Math.max(0, to.write(chunk));
      if (taken < chunk.length) {
        this.#waiting[0] = chunk.subarray(taken);
        if (!this.#isPaused) this.from?.pause();
        this.#isPaused = true;
        return;
      }
      this.#waiting.shift();
    }
    if (this.#isPaused) this.from?.resume();
    this.#isPaused = false;
    if (this.hasEnded) to.shutdown();
  }
}

/** A client and the program that serves it. */
interface Pair {
  readonly up: Passage;
  readonly down: Passage;
  isBegun: boolean;
}

const [listen, ...free] = process.argv.slice(2);
const waiting: Socket<Pair>[] = [];

function begin(client: Socket<Pair>, path: string): void {
  const { up, down } = client.data;
  void Bun.connect<Pair>({
    unix: path,
    allowHalfOpen: true,
    socket: {
      open(program) {
        up.to = program;
        down.from = program;
        up.flush();
      },
      data: (_program, chunk) => down.push(chunk),
      drain: () => up.flush(),
      end() {
        down.hasEnded = true;
        down.flush();
      },
      close() {
        const next = waiting.shift();
        if (next) begin(next, path);
        else free.push(path);
        client.end();
      },
      error() {},
    },
  });
}

Bun.listen<Pair>({
  unix: listen as string,
  allowHalfOpen: true,
  socket: {
    open(client) {
      const [up, down] = [new Passage(), new Passage()];
      up.from = client;
      down.to = client;
      client.data = { up, down, isBegun: false };
    },
    data(client, chunk) {
      client.data.up.push(chunk);
      if (client.data.isBegun) return;
      client.data.isBegun = true;
      const path = free.pop();
      if (path) begin(client, path);
      else waiting.push(client);
    },
    drain: (client) => client.data.down.flush(),
    end: (client) => void client.end(),
    close: (client) => void client.data.up.to?.end(),
    error() {},
  },
});
