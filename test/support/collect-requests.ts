import { ByteBudget } from "../../src/base/byte-budget.ts";
import { Decoder } from "../../src/fcgi/decoder.ts";
import { FCGI_STDIN } from "../../src/fcgi/protocol.ts";
import { Intake, type IntakeOwner } from "../../src/front/intake.ts";
import type { FrontRequest } from "../../src/front/request.ts";

/** What came in of one request. */
export interface CollectedRequest {
  readonly id: number;
  readonly role: number;
  readonly keepConn: boolean;
  readonly params: readonly (readonly [string, string])[];
  readonly bodyBytes: number;
  readonly isBodyComplete: boolean;
  readonly isAborted: boolean;
}

interface Collecting {
  /** Raw records of the body. */
  readonly pieces: Uint8Array[];
  isAborted: boolean;
}

/** The requests in a stream of bytes, through the intake of a connection; each is answered when its body has ended. */
export function collectRequests(chunks: readonly Uint8Array[]): CollectedRequest[] {
  const collected = new Map<FrontRequest, Collecting>();
  const nothing = () => {};
  const owner: IntakeOwner = {
    onBegin: nothing,
    onBeginRefused: nothing,
    onManagement: nothing,
    onDismissed: nothing,
    onMalformed(problem) {
      throw new Error(problem);
    },
    send: () => false,
    onReady(request) {
      const collecting: Collecting = { pieces: [], isAborted: false };
      collected.set(request, collecting);
      collect(request, collecting);
    },
    onEnded: (request) => intake.remove(request),
    onDraining: nothing,
    onRejected: nothing,
    isStreamed: () => false,
    onOverrun: nothing,
    onTruncated: nothing,
    pause: nothing,
    resume: nothing,
  };
  const intake = new Intake(owner, new ByteBudget(Number.POSITIVE_INFINITY));
  for (const chunk of chunks) intake.push(chunk);
  return [...collected].map(([request, { pieces, isAborted }]) => ({
    id: request.id,
    role: request.head.role,
    keepConn: request.keepConn,
    params: [...request.head.pairs()],
    bodyBytes: contentBytes(pieces),
    isBodyComplete: request.isBodyComplete,
    isAborted,
  }));
}

function collect(request: FrontRequest, collecting: Collecting): void {
  request.body.visit((chunk, start, end) => void collecting.pieces.push(chunk.subarray(start, end)));
  request.listen({
    onBody: (chunk, start, end) => void collecting.pieces.push(chunk.subarray(start, end)),
    onBodyEnd: () => request.complete(),
    onBodyFailed() {},
    mayBeUnseen: false,
    onClientDrain() {},
    onClientLeft() {
      collecting.isAborted = true;
    },
  });
  if (request.isBodyComplete) request.complete();
}

/** Bytes of STDIN content in raw records. */
function contentBytes(records: readonly Uint8Array[]): number {
  let bytes = 0;
  const decoder = new Decoder({
    onRecord(type, _requestId, contentLength) {
      if (type === FCGI_STDIN) bytes += contentLength;
      return null;
    },
    onContent() {},
    onRecordEnd() {},
    onMalformed(problem) {
      throw new Error(problem);
    },
  });
  for (const record of records) decoder.push(record);
  return bytes;
}
