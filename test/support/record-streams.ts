import fc from "fast-check";
import { FCGI_HEADER_LEN, FCGI_VERSION_1 } from "../../src/fcgi/protocol.ts";

/** A record, to be written or read. */
export interface PlainRecord {
  readonly type: number;
  readonly id: number;
  readonly content: Uint8Array;
  readonly padding: number;
}

/** A record as it came. */
export interface ReadRecord extends PlainRecord {
  readonly raw: Uint8Array;
}

/** What is done to a stream of records: to which one, and two numbers more that the kinds below explain. */
export interface Mutation {
  readonly kind: MutationKind;
  readonly at: number;
  readonly byte: number;
  readonly value: number;
}

export const MUTATION_KINDS = [
  "flip",
  "drop",
  "double",
  "swap",
  "length",
  "id",
  "type",
  "cut",
  "insert",
  "end",
] as const;
type MutationKind = (typeof MUTATION_KINDS)[number];

/** How often a property of streams is tried: FUZZ_FACTOR times as often in `make soak`. */
export function tries(runs: number): fc.Parameters<unknown> {
  return { numRuns: runs * Number(process.env["FUZZ_FACTOR"] ?? 1), includeErrorInReport: true };
}

/** The bytes of a record; its padding is no zeros, as nobody may look at it. */
export function encodePadded({ type, id, content, padding }: PlainRecord): Uint8Array {
  const bytes = new Uint8Array(FCGI_HEADER_LEN + content.length + padding).fill(0xee);
  bytes.set([FCGI_VERSION_1, type, id >> 8, id, content.length >> 8, content.length, padding, 0]);
  bytes.set(content, FCGI_HEADER_LEN);
  return bytes;
}

/**
 * The whole records at the beginning of some bytes, and what is behind them. Written to be plain, as what is tested is compared with
 * it.
 */
export function readRecords(bytes: Uint8Array): { records: ReadRecord[]; rest: Uint8Array } {
  const records: ReadRecord[] = [];
  let rest = bytes;
  while (rest.length >= FCGI_HEADER_LEN && rest[0] === FCGI_VERSION_1) {
    const header = Buffer.from(rest.subarray(0, FCGI_HEADER_LEN));
    const padding = header.readUInt8(6);
    const end = FCGI_HEADER_LEN + header.readUInt16BE(4) + padding;
    if (rest.length < end) break;
    const content = rest.subarray(FCGI_HEADER_LEN, end - padding);
    const raw = rest.subarray(0, end);
    records.push({ type: header.readUInt8(1), id: header.readUInt16BE(2), content, padding, raw });
    rest = rest.subarray(end);
  }
  return { records, rest };
}

/** Some mutations of a stream. */
export const mutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.record({
    kind: fc.constantFrom(...MUTATION_KINDS),
    at: fc.nat(60),
    byte: fc.nat(400),
    value: fc.nat(0xffff),
  }),
  { minLength: 1, maxLength: 4 },
);

/** The encoded records of a stream, changed. `ids` are those that a changed or invented record may have. */
export function mutate(
  records: readonly Uint8Array[],
  changes: readonly Mutation[],
  ids: readonly number[],
): Uint8Array[] {
  const changed: Uint8Array[] = records.map((record) => record.slice());
  for (const { kind, at, byte, value } of changes) {
    const index = at % (changed.length || 1);
    const record = changed[index] ?? new Uint8Array(FCGI_HEADER_LEN);
    const id = ids[value % ids.length] ?? 0;
    if (kind === "drop") changed.splice(index, 1);
    else if (kind === "double") changed.splice(index, 0, record.slice());
    else if (kind === "swap") changed.splice(index, 1, ...changed.splice(index + 1, 1), record);
    else if (kind === "cut") changed[index] = record.subarray(0, byte % (record.length + 1));
    else if (kind === "insert") changed.splice(index, 0, invented(id, byte, value));
    else if (kind === "end") changed.push(invented(id, byte, value));
    else if (kind === "type") overwrite(record, 1, value % 13);
    else if (kind === "length") overwrite(record, 4, value >> 8, value);
    else if (kind === "id") overwrite(record, 2, id >> 8, id);
    else overwrite(record, byte % (record.length || 1), value);
  }
  return changed;
}

/** The bytes of the records, cut at these places as far as they are in it; each chunk has a memory of its own. */
export function cutUp(records: readonly Uint8Array[], cuts: readonly number[]): Uint8Array[] {
  const bytes = Buffer.concat(records);
  const edges = [0, ...cuts.filter((cut) => cut < bytes.length).toSorted((a, b) => a - b), bytes.length];
  return edges.slice(1).map((end, i) => new Uint8Array(bytes.subarray(edges[i], end)));
}

function overwrite(record: Uint8Array, at: number, ...bytes: readonly number[]): void {
  if (at + bytes.length <= record.length) record.set(bytes, at);
}

/** Any record, of every type and one more. */
function invented(id: number, byte: number, value: number): Uint8Array {
  const content = new Uint8Array(value % 3 === 0 ? 0 : byte % 40).fill(value);
  return encodePadded({ type: byte % 13, id, content, padding: value % 9 });
}
