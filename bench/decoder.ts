// The record decoder alone: the cost of a record, of a byte, and of reading a request's parameters.
import { bench, do_not_optimize, group, run } from "mitata";
import { Decoder, type RawSink, type RecordSink } from "../src/fcgi/decoder.ts";
import { encodeHead, encodeStream } from "../src/fcgi/encoder.ts";
import { encodeParams, ParamCursor } from "../src/fcgi/params.ts";
import { FCGI_RESPONDER, FCGI_STDOUT } from "../src/fcgi/protocol.ts";

const MIB = 1024 * 1024;
const CHUNK = 512 * 1024;

const params = encodeParams([
  ["SCRIPT_FILENAME", "/srv/www/example.org/app/index.fcgi"],
  ["QUERY_STRING", "page=2&sort=name"],
  ["REQUEST_METHOD", "GET"],
  ["CONTENT_TYPE", ""],
  ["CONTENT_LENGTH", ""],
  ["SCRIPT_NAME", "/app/index.fcgi"],
  ["REQUEST_URI", "/app/index.fcgi?page=2&sort=name"],
  ["SERVER_PROTOCOL", "HTTP/1.1"],
  ["SERVER_SOFTWARE", "nginx/1.22.1"],
  ["REMOTE_ADDR", "203.0.113.9"],
  ["HTTP_HOST", "example.org"],
  ["HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"],
  ["HTTP_ACCEPT", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
  ["HTTP_COOKIE", "session=0123456789abcdef0123456789abcdef; theme=dark"],
]);

/** Looks at every record and passes its raw bytes on, as a relay does. */
class CountingSink implements RecordSink, RawSink {
  records = 0;
  bytes = 0;
  onRecord(): RawSink {
    this.records++;
    return this;
  }
  onContent(): void {}
  onRecordEnd(): void {}
  onMalformed(problem: string): void {
    throw new Error(problem);
  }
  onRaw(_chunk: Uint8Array, start: number, end: number): void {
    this.bytes += end - start;
  }
}

function decodeAll(chunks: readonly Uint8Array[]): number {
  const sink = new CountingSink();
  const decoder = new Decoder(sink);
  for (const chunk of chunks) decoder.push(chunk);
  return sink.records;
}

function cut(bytes: Uint8Array, size: number): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return chunks;
}

function streamOf(recordBytes: number, total: number): Uint8Array {
  const record = encodeStream(FCGI_STDOUT, 1, new Uint8Array(recordBytes), false);
  return Buffer.concat(Array.from({ length: Math.ceil(total / recordBytes) }, () => record));
}

group("the head of a request", () => {
  const head = encodeHead(1, FCGI_RESPONDER, true, params);
  const bytewise = cut(head, 1);
  bench("decode, in one chunk", () => do_not_optimize(decodeAll([head])));
  bench("decode, byte by byte", () => do_not_optimize(decodeAll(bytewise)));
  bench("scan its parameters", () => {
    const cursor = new ParamCursor(params);
    let pairs = 0;
    while (cursor.next()) pairs++;
    return do_not_optimize(pairs);
  });
});

group("8 MiB of STDOUT in chunks of 512 KiB", () => {
  for (const size of [1024, 8192, 32_768, 65_535]) {
    const chunks = cut(streamOf(size, 8 * MIB), CHUNK);
    bench(`records of ${size} bytes`, () => do_not_optimize(decodeAll(chunks)));
  }
});

await run();
