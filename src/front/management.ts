import { encodeGetValuesResult, encodeUnknownType } from "../fcgi/encoder.ts";
import { ParamCursor } from "../fcgi/params.ts";
import { FCGI_GET_VALUES } from "../fcgi/protocol.ts";

/** What a web server may ask about (specification §4.1). */
export interface ManagementValues {
  readonly maxConns: number;
}

/** The answer to a management record (request id 0): GET_VALUES is answered, every other type is unknown (§4.2). */
export function answerManagement(type: number, content: Uint8Array, values: ManagementValues): Uint8Array {
  if (type !== FCGI_GET_VALUES) return encodeUnknownType(type);
  const known = new Map([
    ["FCGI_MAX_CONNS", String(values.maxConns)],
    ["FCGI_MAX_REQS", String(values.maxConns)],
    ["FCGI_MPXS_CONNS", "1"],
  ]);
  const answer: [string, string][] = [];
  const cursor = new ParamCursor(content);
  while (cursor.next()) {
    const value = known.get(cursor.name());
    if (value !== undefined) answer.push([cursor.name(), value]);
    known.delete(cursor.name());
  }
  return encodeGetValuesResult(answer);
}
