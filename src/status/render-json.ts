import type { Snapshot } from "./snapshot.ts";

/** The snapshot in JSON, in pieces: a program each. */
export function* jsonPieces(snapshot: Snapshot): Generator<string> {
  const { programs, ...daemon } = snapshot;
  // What there is beside the programs is never nothing.
  yield `${JSON.stringify(daemon).slice(0, -1)},"programs":[`;
  for (const [index, program] of programs.entries())
    yield `${index === 0 ? "" : ","}${JSON.stringify(program)}`;
  yield "]}";
}
