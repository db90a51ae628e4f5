import { writeSync } from "node:fs";
import { ByteBudget } from "../../src/base/byte-budget.ts";
import { FpmError } from "../../src/base/errors.ts";
import { LimitedLog } from "../../src/base/limited-log.ts";
import type { Log } from "../../src/base/log.ts";
import { encodeEndRequest, encodeHead, encodeStream } from "../../src/fcgi/encoder.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import { FCGI_STDIN, FCGI_STDOUT } from "../../src/fcgi/protocol.ts";
import { Connection, type FrontSocket } from "../../src/front/connection.ts";
import { Places } from "../../src/front/places.ts";
import type { FrontRequest } from "../../src/front/request.ts";
import { FakeClock } from "./fake-clock.ts";
import { socketPair } from "./socket-pair.ts";

export const HEAD_TIMEOUT_MS = 2000;
export const BODY_TIMEOUT_MS = 8000;

interface World {
  readonly maxConnections?: number;
  /** What all connections together may hold. */
  readonly bufferLimit?: number;
  /** Requests are answered at once. */
  readonly isPrompt?: boolean;
}

/** A connection from a web server over a socket that takes as much as a test says, and notes what is done with it. */
export function connectionWorld({ maxConnections = 5, bufferLimit = 1e9, isPrompt = false }: World = {}) {
  const clock = new FakeClock();
  const notes: string[] = [];
  const lines: string[] = [];
  const line = (message: string) => void lines.push(message);
  const log: Log = { isDebug: false, debug: line, info: line, warn: line, error: line };
  const gate = { openGate: () => true, closeGate: () => {} };
  const places = new Places({ maxConnections, descriptors: 1e6 }, { clock, log, gate });
  const buffers = new ByteBudget(bufferLimit);
  const pair = socketPair();
  const requests: FrontRequest[] = [];
  const socket = {
    fd: pair.fd,
    /** So much more is taken. */
    room: Number.POSITIVE_INFINITY,
    sent: new Uint8Array(0),
    write(bytes: Uint8Array) {
      const taken = Math.min(bytes.length, this.room);
      this.room -= taken;
      this.sent = Buffer.concat([this.sent, bytes.subarray(0, taken)]);
      return taken;
    },
    pause: () => void notes.push("pause"),
    resume: () => void notes.push("resume"),
    shutdown: () => void notes.push("shutdown"),
    end: () => void notes.push("end"),
  };
  const connection = new Connection(socket as unknown as FrontSocket, {
    headTimeoutMs: HEAD_TIMEOUT_MS,
    bodyTimeoutMs: BODY_TIMEOUT_MS,
    ...{ clock, log, places, buffers },
    clientLog: new LimitedLog(clock, log),
    onRejected: (code) => void notes.push(`rejected ${code}`),
    onDismissed: ({ id }, { kind }) => void notes.push(`${id} dismissed: ${kind}`),
    isStreamed: () => false,
    onRequest(request) {
      requests.push(request);
      if (isPrompt) answer(request);
    },
    onClosed: () => void notes.push("closed"),
    onSpent: () => new FpmError("BUFFER_FULL", "daemon", "Too much is held."),
  });
  return {
    ...{ connection, clock, socket, places, requests, lines, buffers, pair },
    /** What was done since the last time. */
    happened: () => notes.splice(0),
    /** Takes its place. */
    enter: () => places.enter(connection, 10),
    push: (...records: Uint8Array[]) => connection.onData(Buffer.concat(records)),
    /** What is sent from now on stays with the kernel until it is read. */
    leaveUnread: (bytes: number) => void writeSync(pair.fd, new Uint8Array(bytes)),
    /** The nth request that can be worked on, from 1. */
    request: (nth: number) => requests[nth - 1] as FrontRequest,
    [Symbol.dispose]() {
      connection.close();
      pair[Symbol.dispose]();
    },
  };
}

/** The same where it has a place. */
export function openConnection(options: World = {}) {
  const world = connectionWorld(options);
  world.enter();
  return world;
}

interface Asked {
  readonly id?: number;
  readonly keepConn?: boolean;
  readonly params?: Record<string, string>;
}

/** The head of a request. */
export const headOf = ({ id = 1, keepConn = true, params = {} }: Asked = {}) =>
  encodeHead(id, 1, keepConn, encodeParams(Object.entries(params)));
export const bodyOf = (bytes: number, isEnd: boolean, id = 1) =>
  encodeStream(FCGI_STDIN, id, new Uint8Array(bytes), isEnd);
/** A request without a body. */
export const getOf = (asked: Asked = {}) => Buffer.concat([headOf(asked), bodyOf(0, true, asked.id)]);
/** The beginning of one with a body that goes on. */
export const uploadOf = (asked: Asked = {}) =>
  Buffer.concat([
    headOf({ ...asked, params: { CONTENT_LENGTH: "1000000", ...asked.params } }),
    bodyOf(1, false, asked.id),
  ]);

/** The program answers a request with so many bytes. True when the client is slow. */
export function answer(request: FrontRequest, bytes = 5): boolean {
  const isSlow = respond(request, bytes);
  const end = encodeEndRequest(request.id, 0, 0);
  request.respond(end, 0, end.length);
  request.listen(undefined);
  request.complete();
  return isSlow;
}

/** A part of an answer. */
export function respond(request: FrontRequest, bytes: number): boolean {
  const page = encodeStream(FCGI_STDOUT, request.id, new Uint8Array(bytes), false);
  return request.respond(page, 0, page.length);
}

/** Who works on a request, and notes what it hears. */
export function listenTo(request: FrontRequest) {
  const heard: string[] = [];
  request.listen({
    onBody: (_chunk, start, end) => void heard.push(`body ${end - start}`),
    onBodyEnd: () => void heard.push("body end"),
    onClientDrain: () => void heard.push("drain"),
    onClientLeft: () => void heard.push("left"),
    onBodyFailed: ({ code }) => void heard.push(`failed ${code}`),
    mayBeUnseen: false,
  });
  return heard;
}
