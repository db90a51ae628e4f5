// The floor for plain CGI: what this runtime needs to start a program and to pass on what it prints. Looks at nothing of a request, gives the program no
// environment, sets no user and no limit, and starts at most so many at once: `bun bench/floor-cgi.ts LISTEN PROGRAM PROCESSES`.
import type { Socket } from "bun";
import { encodeEndRequest, encodeStream } from "../src/fcgi/encoder.ts";
import { FCGI_REQUEST_COMPLETE, FCGI_STDOUT } from "../src/fcgi/protocol.ts";

const REQUEST_ID = 1;
const END = encodeEndRequest(REQUEST_ID, 0, FCGI_REQUEST_COMPLETE);

const [listen = "", program = "", processes = "1"] = process.argv.slice(2);
const waiting: Socket[] = [];
let free = Number(processes);

async function run(front: Socket): Promise<void> {
  const child = Bun.spawn([program], { env: {}, stdio: ["ignore", "pipe", "ignore"] });
  const output = await child.stdout.bytes();
  front.write(Buffer.concat([encodeStream(FCGI_STDOUT, REQUEST_ID, output, true), END]));
  front.end();
  const next = waiting.shift();
  if (next) void run(next);
  else free++;
}

Bun.listen({
  unix: listen,
  allowHalfOpen: true,
  socket: {
    data(front) {
      if (free === 0) return void waiting.push(front);
      free--;
      void run(front);
    },
    end(front) {
      front.end();
    },
    drain() {},
    close() {},
    error() {},
  },
});
