import { ByteBudget } from "../../src/base/byte-budget.ts";
import { encodeHead, encodeRecord, encodeStream } from "../../src/fcgi/encoder.ts";
import { encodeParams, latin1 } from "../../src/fcgi/params.ts";
import { FCGI_BEGIN_REQUEST, FCGI_STDIN } from "../../src/fcgi/protocol.ts";
import { Intake, type IntakeOwner } from "../../src/front/intake.ts";
import type { FrontRequest } from "../../src/front/request.ts";

/** A connection that writes down what its requests do; with `isStreamed` their programs are to get the bodies as they come. */
export function notingConnection(isStreamed = false) {
  const log: string[] = [];
  const ready: FrontRequest[] = [];
  /** Whether the body of each was complete when it became ready. */
  const wereComplete: boolean[] = [];
  let sent = "";
  const owner: IntakeOwner = {
    onBegin: () => void log.push("begin"),
    onBeginRefused: (id, { code }) => void log.push(`refused ${id}: ${code}`),
    onDismissed: (_request, { kind }) => void log.push(`dismissed: ${kind}`),
    onManagement: (type) => void log.push(`management ${type}`),
    onMalformed: (problem) => void log.push(`malformed: ${problem}`),
    send(chunk, start, end) {
      sent += latin1(chunk.subarray(start, end));
      return false;
    },
    isStreamed: () => isStreamed,
    onReady(request) {
      log.push("ready");
      ready.push(request);
      wereComplete.push(request.isBodyComplete);
    },
    onEnded(request) {
      log.push("ended");
      intake.remove(request);
    },
    onDraining: () => void log.push("draining"),
    onRejected: (code) => void log.push(`rejected ${code}`),
    onOverrun: () => void log.push("overrun"),
    onTruncated: () => void log.push("truncated"),
    pause: () => void log.push("pause"),
    resume: () => void log.push("resume"),
  };
  const budget = new ByteBudget(Number.POSITIVE_INFINITY);
  const intake: Intake = new Intake(owner, budget);
  const all = () => intake.requests;
  return {
    intake,
    budget,
    all,
    log,
    ready,
    wereComplete,
    sent: () => sent,
    notes: () => log.filter((note) => note !== "resume"),
  };
}

/** The head of a request, on a kept connection. */
export const head = (params: Record<string, string> = {}, id = 1, role = 1) =>
  encodeHead(id, role, true, encodeParams(Object.entries(params)));
/** BEGIN_REQUEST alone. */
export const begin = (id: number) =>
  encodeRecord(FCGI_BEGIN_REQUEST, id, Uint8Array.of(0, 1, 1, 0, 0, 0, 0, 0));
/** STDIN with so many bytes, and its end if wanted. */
export const stdin = (bytes: number, end: boolean, id = 1) =>
  encodeStream(FCGI_STDIN, id, new Uint8Array(bytes), end);
/** The head of a request that announces a body. */
export const ofLength = (length: number) => head({ CONTENT_LENGTH: String(length) });
