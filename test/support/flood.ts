import { Decoder } from "../../src/fcgi/decoder.ts";
import { encodeHead, encodeStream } from "../../src/fcgi/encoder.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import { FCGI_END_REQUEST, FCGI_STDIN } from "../../src/fcgi/protocol.ts";

const DIGITS = 8;

/**
 * Sends GET requests for a program over kept connections, one at a time on each, as fast as they are answered. Request number N asks for
 * `/N` in eight digits. `onAnswered` hears of each how many there are.
 */
export async function flood(
  socket: string,
  script: string,
  count: number,
  connections: number,
  onAnswered: (count: number) => void = () => {},
): Promise<void> {
  let next = 0;
  let answered = 0;
  const take = () => (next < count ? next++ : undefined);
  const one = () =>
    sendInTurn(socket, script, take, () => {
      onAnswered(++answered);
    });
  await Promise.all(Array.from({ length: connections }, one));
}

async function sendInTurn(
  path: string,
  script: string,
  take: () => number | undefined,
  onAnswered: () => void,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const { bytes, numberAt } = requestFor(script);
  const send = (number: number) => {
    const text = String(number).padStart(DIGITS, "0");
    for (let i = 0; i < DIGITS; i++) bytes[numberAt + i] = text.charCodeAt(i);
    if (socket.write(bytes) !== bytes.length) reject(new Error("a request did not fit into the socket"));
  };
  const onEnd = () => {
    onAnswered();
    const number = take();
    if (number === undefined) resolve();
    else send(number);
  };
  const decoder = endsOf(onEnd, reject);
  const socket = await Bun.connect({
    unix: path,
    socket: {
      data: (_, chunk) => decoder.push(chunk),
      close: () => reject(new Error("std-fpm closed a connection")),
    },
  });
  const first = take();
  if (first === undefined) resolve();
  else send(first);
  await promise.finally(() => socket.terminate());
}

function requestFor(script: string): { bytes: Uint8Array; numberAt: number } {
  const mark = "#".repeat(DIGITS);
  const params = encodeParams([
    ["SCRIPT_FILENAME", script],
    ["REQUEST_METHOD", "GET"],
    ["REQUEST_URI", `/${mark}`],
    ["CONTENT_LENGTH", "0"],
    ["SERVER_PROTOCOL", "HTTP/1.1"],
    ["REMOTE_ADDR", "192.0.2.1"],
  ]);
  const bytes = Buffer.concat([
    encodeHead(1, 1, true, params),
    encodeStream(FCGI_STDIN, 1, new Uint8Array(0), true),
  ]);
  return { bytes, numberAt: bytes.indexOf(mark) };
}

function endsOf(onEnd: () => void, onMalformed: (error: Error) => void): Decoder {
  let type = 0;
  return new Decoder({
    onRecord(each) {
      type = each;
      return null;
    },
    onContent() {},
    onRecordEnd: () => {
      if (type === FCGI_END_REQUEST) onEnd();
    },
    onMalformed: (problem) => onMalformed(new Error(problem)),
  });
}
