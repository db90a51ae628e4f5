// The floor for small requests: what the runtime and the kernel cost when nothing of a request is looked at. Pairs each chunk that comes with a kept
// connection to one of the programs, knows an answer's end by its last 16 bytes, and closes the web server's connection where that did not ask to
// keep it. One chunk each way, no errors, no limits: `bun bench/floor.ts LISTEN BACKEND...`
import type { Socket } from "bun";
import { FCGI_END_REQUEST, FCGI_KEEP_CONN } from "../src/fcgi/protocol.ts";

/** Where the flags of BEGIN_REQUEST stand in the first chunk, and the type of the last record, from its end. */
const FLAGS_AT = 10;
const LAST_TYPE_FROM_END = 15;

type Front = Socket<undefined>;

/** One connection to a program. */
class Back {
  readonly path: string;
  #socket: Socket<undefined> | undefined;
  #front: Front | undefined;
  #isKept = false;

  constructor(path: string) {
    this.path = path;
  }

  send(front: Front, chunk: Uint8Array): void {
    this.#front = front;
    this.#isKept = ((chunk[FLAGS_AT] ?? 0) & FCGI_KEEP_CONN) !== 0;
    chunk[FLAGS_AT] = FCGI_KEEP_CONN;
    if (this.#socket) this.#socket.write(chunk);
    else this.#connect(chunk);
  }

  #connect(chunk: Uint8Array): void {
    void Bun.connect({
      unix: this.path,
      allowHalfOpen: true,
      socket: {
        open: (socket) => {
          this.#socket = socket;
          socket.write(chunk);
        },
        data: (_socket, answer) => this.#onAnswer(answer),
        close: () => {
          this.#socket = undefined;
        },
        drain() {},
        error() {},
      },
    });
  }

  #onAnswer(answer: Uint8Array): void {
    const front = this.#front;
    front?.write(answer);
    if (answer[answer.length - LAST_TYPE_FROM_END] !== FCGI_END_REQUEST) return;
    if (!this.#isKept) front?.end();
    const next = waiting.shift();
    if (next) this.send(...next);
    else idle.push(this);
  }
}

const [listen, ...paths] = process.argv.slice(2);
const idle = paths.map((path) => new Back(path));
const waiting: [Front, Uint8Array][] = [];

Bun.listen({
  unix: listen as string,
  allowHalfOpen: true,
  socket: {
    data(front: Front, chunk) {
      const back = idle.pop();
      if (back) back.send(front, chunk);
      else waiting.push([front, chunk]);
    },
    end(front) {
      front.end();
    },
    drain() {},
    close() {},
    error() {},
  },
});
