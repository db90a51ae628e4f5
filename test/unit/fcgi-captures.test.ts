import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { type CollectedRequest, collectRequests } from "../support/collect-requests.ts";

/** Bytes that real web servers sent, with what is in them: see `about` in the manifest. */
const CAPTURES = join(import.meta.dir, "../fixtures/captures");

interface Capture {
  file: string;
  requests: {
    id: number;
    role: number;
    flags: number;
    params: [string, string][];
    params_complete: boolean;
    stdin_bytes: number;
    stdin_complete: boolean;
    aborted: boolean;
  }[];
}

const manifest = JSON.parse(readFileSync(join(CAPTURES, "manifest.json"), "utf8")) as { captures: Capture[] };
const captures = manifest.captures.map((capture) => ({
  ...capture,
  bytes: new Uint8Array(readFileSync(join(CAPTURES, capture.file))),
}));

describe("the bytes that web servers sent", () => {
  test("are more than three hundred streams of seven clients", () => {
    expect(captures.length).toBeGreaterThan(300);
    expect(new Set(captures.map(({ file }) => file.split("/")[0])).size).toBe(7);
  });

  test("decode whole to the parameters of the manifest", () => {
    for (const capture of captures) expectAsInManifest(capture, [capture.bytes]);
  });

  test("decode byte by byte to the same", () => {
    for (const capture of captures.filter(({ bytes }) => bytes.length < 2000)) {
      const single = Array.from(capture.bytes, (_, at) => capture.bytes.slice(at, at + 1));
      expectAsInManifest(capture, single);
    }
  });

  test("decode at random cuts to the same", () => {
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });
    fc.assert(
      fc.property(fc.constantFrom(...captures), cuts, (capture, fractions) => {
        expectAsInManifest(capture, cutAt(capture.bytes, fractions));
      }),
      { numRuns: 1000 },
    );
  });
});

function expectAsInManifest(capture: Capture, chunks: readonly Uint8Array[]): void {
  const wanted: CollectedRequest[] = capture.requests.map((request) => ({
    id: request.id,
    role: request.role,
    keepConn: (request.flags & 1) === 1,
    params: request.params,
    bodyBytes: request.stdin_bytes,
    isBodyComplete: request.stdin_complete || request.role === 2,
    isAborted: request.aborted,
  }));
  expect({ file: capture.file, requests: collectRequests(chunks) }).toEqual({
    file: capture.file,
    requests: wanted,
  });
}

function cutAt(bytes: Uint8Array, fractions: readonly number[]): Uint8Array[] {
  const cuts = [0, ...fractions.map((fraction) => Math.floor(fraction * bytes.length)), bytes.length].sort(
    (a, b) => a - b,
  );
  return cuts.slice(1).map((end, index) => bytes.slice(cuts[index], end));
}
