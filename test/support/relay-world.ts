import { type Backend, Lease, type Opening } from "../../src/backend/backend.ts";
import { Conduct } from "../../src/backend/conduct.ts";
import type { Link, LinkUser } from "../../src/backend/link.ts";
import { ByteQueue } from "../../src/base/byte-queue.ts";
import { Deadlines } from "../../src/base/deadlines.ts";
import type { FpmError } from "../../src/base/errors.ts";
import type { AppConfig } from "../../src/config/config.ts";
import { Decoder, type RecordSink } from "../../src/fcgi/decoder.ts";
import { encodeEndRequest, encodeHead, encodeRecord } from "../../src/fcgi/encoder.ts";
import { type ParamChanges, RequestHead } from "../../src/fcgi/head.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import { FCGI_STDOUT } from "../../src/fcgi/protocol.ts";
import { AnswerHead } from "../../src/relay/answer-head.ts";
import type { ClientListener, ClientStream } from "../../src/relay/client-stream.ts";
import { Relay, type Relayed } from "../../src/relay/relay.ts";
import { appConfig } from "./app-config.ts";
import { FakeClock } from "./fake-clock.ts";

/** The id of the request on the connection of the web server. */
const CLIENT_ID = 7;

/** A connection to a program on which `requestId` is at work, that notes what is done with it. */
function notedLink(notes: string[], requestId: number) {
  return {
    requestId,
    user: undefined as LinkUser | undefined,
    written: new Uint8Array(0),
    isReusable: true,
    isCongested: false,
    isWaiting: false,
    isAllRead: true,
    isStale: (id: number) => id > 0 && id < requestId,
    decoderFor: (sink: RecordSink) => new Decoder(sink),
    use(user: LinkUser | undefined) {
      this.user = user;
    },
    write(chunk: Uint8Array, start: number, end: number) {
      this.written = Buffer.concat([this.written, chunk.subarray(start, end)]);
    },
    spoil: () => void notes.push("spoil"),
    probe: () => void notes.push("probe"),
    pause: () => void notes.push("pause link"),
    resume: () => void notes.push("resume link"),
  };
}

/** A web server's side of a request, that notes what is done with it. */
function notedClient(notes: string[], isBodyComplete: boolean) {
  const records = encodeHead(CLIENT_ID, 1, true, encodeParams([["SCRIPT_NAME", "/x"]]));
  return {
    head: new RequestHead(records),
    body: new ByteQueue(),
    isBodyComplete,
    isHeld: true,
    isAnswered: false,
    /** Takes nothing more for now. */
    isSlow: false,
    got: new Uint8Array(0),
    listener: undefined as ClientListener | undefined,
    listen(listener: ClientListener | undefined) {
      this.listener = listener;
    },
    pauseBody: () => void notes.push("pause body"),
    resumeBody: () => void notes.push("resume body"),
    respond(chunk: Uint8Array, start: number, end: number) {
      this.isAnswered = true;
      this.got = Buffer.concat([this.got, chunk.subarray(start, end)]);
      return this.isSlow;
    },
    forwardStderr(chunk: Uint8Array, start: number, end: number) {
      notes.push(`stderr ${end - start}`);
      return chunk.length > 0 && this.isSlow;
    },
  };
}

/** A program's process, that notes what it is told. */
function notedBackend(notes: string[], app: Partial<AppConfig>, worker: number | undefined) {
  return {
    program: { name: "/x.fcgi", app: appConfig(app) },
    label: "/x.fcgi (pid 1)",
    pid: 1,
    /** Requests that it works on. */
    busy: 1,
    isDead: false,
    death: undefined as string | undefined,
    conduct: new Conduct(),
    /** What it has sent on its error stream. */
    errors: "",
    hasAccepted: true,
    /** Its connection is being taken back. */
    isTaken: false,
    isUnaccepted(): boolean {
      return !this.hasAccepted;
    },
    isBeingTaken(): boolean {
      return this.isTaken;
    },
    workerOf: () => worker,
    onEcho: () => void notes.push("echo"),
    onStaleRecord: () => void notes.push("stale record"),
    onMixedRecords: () => void notes.push("mixed records"),
    onIgnoredId: () => void notes.push("ignored id"),
    onErrorOutput(_lease: Lease, bytes: Uint8Array) {
      this.errors += Buffer.from(bytes).toString();
    },
  };
}

interface World {
  readonly app?: Partial<AppConfig>;
  /** Of the request on the connection to the program. */
  readonly requestId?: number;
  readonly hasBody?: boolean;
  /** Which child of the process has the request. */
  readonly worker?: number | undefined;
  /** Instead of a connection. */
  readonly unopened?: FpmError;
}

/** A relay between a web server and a program, which both do as a test says. */
export function relayWorld({ app = {}, requestId = 1, hasBody = false, worker, unopened }: World = {}) {
  const notes: string[] = [];
  const ends: Relayed[] = [];
  const clock = new FakeClock();
  const link = notedLink(notes, requestId);
  const client = notedClient(notes, !hasBody);
  let opened = new Uint8Array(0);
  const backend = Object.assign(notedBackend(notes, app, worker), {
    open(lease: Lease, { head }: Opening, changes: ParamChanges): Link | FpmError {
      const records = new ByteQueue();
      head.sendTo(records, lease.keepsConnection, changes);
      opened = Uint8Array.from(records.join());
      return unopened ?? (link as unknown as Link);
    },
  });
  const lease = new Lease(backend as unknown as Backend, clock.now());
  const deps = { clock, deadlines: new Deadlines(clock) };
  const owner = { onRelayed: (relayed: Relayed) => void ends.push(relayed) };
  const relay = new Relay(client as unknown as ClientStream, lease, deps, owner);
  return {
    ...{ notes, clock, link, client, backend, lease, relay },
    start: () => relay.start(new Map(), false, new AnswerHead(false)),
    /** What was sent to open the request. */
    opened: () => opened,
    /** Bytes from the program. */
    answer: (...records: Uint8Array[]) => link.user?.onLinkData(Buffer.concat(records)),
    /** A piece of the body. */
    send: (bytes: number) => client.listener?.onBody(new Uint8Array(bytes + 9), 4, bytes + 4),
    /** How it has ended; undefined: it has not. Fails when it was told twice. */
    end() {
      if (ends.length > 1) throw new Error("its end was told twice");
      return ends[0];
    },
  };
}

/** The same with the request on its way. */
export function startedRelay(options: World = {}) {
  const world = relayWorld(options);
  world.start();
  return world;
}

/** Records of a program. */
export const stdout = (text: string, id = 1) => encodeRecord(FCGI_STDOUT, id, Buffer.from(text));
export const endRequest = (appStatus = 0, id = 1) => encodeEndRequest(id, appStatus, 0);
/** An answer as short as can be. */
export const wholeAnswer = (id = 1) => Buffer.concat([stdout("Status: 204\n\n", id), endRequest(0, id)]);

/** How it has ended, in short: what, why and with which ending, and the message. */
export function toldOf(relayed: Relayed | undefined): readonly (string | undefined)[] {
  if (!relayed) return [];
  const failure = "failure" in relayed ? relayed.failure : undefined;
  const error = "error" in relayed ? relayed.error : undefined;
  return [relayed.kind, failure, relayed.ending, error?.code, error?.message];
}
