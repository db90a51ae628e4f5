import { escapeControls, jsonOf } from "../base/escape-controls.ts";
import { utf8 } from "../base/utf8.ts";
import type { AccessField, AccessFormat, AccessValue } from "../config/access-format.ts";
import { pathAskedFor } from "../fcgi/head.ts";
import { type LocalTime, strftime } from "./strftime.ts";

/** Times as they are written. */
interface Times {
  /** Of milliseconds since the epoch. */
  localTime(at: number): LocalTime;
  /** By their pattern: most lines have the second of the one before. */
  readonly known: Map<string, { second: number; text: string }>;
}

/** The header fields of an answer. */
export interface AnswerFields {
  /** The value of one (its name in small letters), a character a byte. */
  field(name: string): string | undefined;
}

/** What is known of a request that has ended. What is not known is undefined. */
export interface AccessRecord {
  /** The values of FastCGI parameters, a character a byte. */
  readonly parameters: ReadonlyMap<string, string>;
  /** The header of the answer. */
  readonly answer: AnswerFields | undefined;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** HTTP status. */
  readonly status: number | undefined;
  /** Of the answer's body. */
  readonly bytes: number;
  readonly program: string | undefined;
  readonly pid: number | undefined;
  readonly ownPid: number;
  readonly outcome: string;
  readonly errorCode: string | undefined;
  readonly tookMs: number;
  readonly waitedMs: number;
  readonly cpuMs: number | undefined;
  readonly memoryBytes: number | undefined;
}

/** Which parameters the places need that stand for one. */
const PARAMETERS: Partial<Record<AccessValue, readonly string[]>> = {
  "remote address": ["REMOTE_ADDR"],
  "remote user": ["REMOTE_USER"],
  method: ["REQUEST_METHOD"],
  path: ["REQUEST_URI", "SCRIPT_NAME"],
  "question mark": ["QUERY_STRING"],
  query: ["QUERY_STRING"],
  script: ["SCRIPT_FILENAME"],
  "content length": ["CONTENT_LENGTH"],
};
const JSON_PARAMETERS = [
  "REMOTE_ADDR",
  "REMOTE_USER",
  "REQUEST_METHOD",
  "REQUEST_URI",
  "SCRIPT_NAME",
  "SERVER_PROTOCOL",
];
const NOTHING = "-";

/** Makes lines, each with its newline, of one format. `localTime` is told milliseconds since the epoch. What a client or a program chose cannot leave its place. */
export function createAccessLine(
  format: AccessFormat,
  localTime: (at: number) => LocalTime,
): (record: AccessRecord) => string {
  if (format.kind === "json") return (record) => jsonLine(record, localTime);
  const { fields } = format;
  const times: Times = { localTime, known: new Map() };
  return (record) => {
    let line = "";
    for (const field of fields) line += textOf(field, record, times);
    return `${line}\n`;
  };
}

/** The FastCGI parameters that a line of this format needs. */
export function parametersOf(format: AccessFormat): string[] {
  if (format.kind === "json") return JSON_PARAMETERS;
  const names = format.fields.flatMap((field) => {
    if (field.kind === "value") return PARAMETERS[field.value] ?? [];
    return field.kind === "parameter" ? [field.name] : [];
  });
  return [...new Set(names)];
}

function textOf(field: AccessField, record: AccessRecord, times: Times): string {
  switch (field.kind) {
    case "text":
      return field.text;
    case "value":
      return simpleValue(field.value, record);
    case "parameter":
      return printed(record.parameters.get(field.name));
    case "header":
      return printed(record.answer?.field(field.name));
    case "time":
      return timeOf(field.when === "start" ? record.startedAt : record.endedAt, field.pattern, times);
    case "duration":
      return scaled(durationOf(field.of, record), field.unit);
    case "memory":
      return scaled(record.memoryBytes, field.unit);
    case "cpu share": {
      const { cpuMs, tookMs } = record;
      return cpuMs === undefined ? NOTHING : (tookMs === 0 ? 0 : (100 * cpuMs) / tookMs).toFixed(2);
    }
  }
}

function simpleValue(value: AccessValue, record: AccessRecord): string {
  switch (value) {
    case "remote address":
      return printed(record.parameters.get("REMOTE_ADDR"));
    case "remote user":
      return printed(record.parameters.get("REMOTE_USER"));
    case "method":
      return printed(record.parameters.get("REQUEST_METHOD"));
    case "path":
      return printed(pathOf(record));
    case "question mark":
      return record.parameters.get("QUERY_STRING") ? "?" : "";
    case "query":
      return escaped(record.parameters.get("QUERY_STRING") ?? "");
    case "status":
      return shown(record.status);
    case "script":
      return printed(record.parameters.get("SCRIPT_FILENAME"));
    case "content length":
      return printed(record.parameters.get("CONTENT_LENGTH") || "0");
    case "bytes":
      return String(record.bytes);
    case "program":
      return printed(record.program);
    case "pid":
      return shown(record.pid);
    case "own pid":
      return String(record.ownPid);
    case "outcome":
      return record.outcome;
    case "error code":
      return record.errorCode ?? NOTHING;
  }
}

function jsonLine(record: AccessRecord, localTime: Times["localTime"]): string {
  const text = (value: string | undefined) => (value ? readable(value) : undefined);
  const line = jsonOf({
    time: localTime(record.startedAt).toISOString(),
    remote: text(record.parameters.get("REMOTE_ADDR")),
    user: text(record.parameters.get("REMOTE_USER")),
    method: text(record.parameters.get("REQUEST_METHOD")),
    path: text(pathOf(record)),
    protocol: text(record.parameters.get("SERVER_PROTOCOL")),
    status: record.status,
    bytes: record.bytes,
    ms: thousandths(record.tookMs),
    wait_ms: thousandths(record.waitedMs),
    program: record.program,
    pid: record.pid,
    outcome: record.outcome,
    code: record.errorCode,
  });
  return `${line}\n`;
}

function pathOf(record: AccessRecord): string | undefined {
  return pathAskedFor(record.parameters.get("REQUEST_URI"), record.parameters.get("SCRIPT_NAME"));
}

function durationOf(of: "total" | "wait" | "cpu", record: AccessRecord): number | undefined {
  if (of === "total") return record.tookMs;
  return of === "wait" ? record.waitedMs : record.cpuMs;
}

function scaled(value: number | undefined, unit: { divisor: number; places: number }): string {
  return value === undefined ? NOTHING : (value / unit.divisor).toFixed(unit.places);
}

function timeOf(at: number, pattern: string, { localTime, known }: Times): string {
  const second = Math.floor(at / 1000);
  const before = known.get(pattern);
  if (before?.second === second) return before.text;
  const text = strftime(pattern, localTime(at));
  known.set(pattern, { second, text });
  return text;
}

function printed(value: string | undefined): string {
  return value ? escaped(value) : NOTHING;
}

function shown(value: number | undefined): string {
  return value === undefined ? NOTHING : String(value);
}

/** UTF-8 as it is; quotation marks, backslashes and what is not printable made visible. */
function escaped(value: string): string {
  if (/^[ !#-[\]-~]*$/.test(value)) return value;
  return escapeControls(readable(value).replace(/["\\]/g, (char) => `\\${char}`));
}

/** Bytes that are UTF-8 as the text that they stand for, others a character each. */
function readable(value: string): string {
  return utf8(value) ?? value;
}

function thousandths(value: number): number {
  return Math.round(value * 1000) / 1000;
}
