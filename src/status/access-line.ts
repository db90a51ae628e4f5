import { escapeControls, jsonOf } from "../base/escape-controls.ts";
import type { AccessField, AccessFormat, AccessValue } from "../config/access-format.ts";
import { pathAskedFor } from "../fcgi/head.ts";
import { utf8 } from "../fcgi/utf8.ts";
import { type LocalTime, strftime } from "./strftime.ts";

/** What is known of a request that has ended. What is not known is undefined. */
export interface AccessRecord {
  /** The value of a FastCGI parameter, a character a byte. */
  parameter(name: string): string | undefined;
  /** The value of a header field of the answer (its name in small letters), a character a byte. */
  header(name: string): string | undefined;
  readonly startedAt: LocalTime;
  readonly endedAt: LocalTime;
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

/** Makes lines, each with its newline, of one format. What a client or a program chose cannot leave its place. */
export function createAccessLine(format: AccessFormat): (record: AccessRecord) => string {
  if (format.kind === "json") return jsonLine;
  const { fields } = format;
  const times = new Map<string, { second: number; text: string }>();
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

function textOf(
  field: AccessField,
  record: AccessRecord,
  times: Map<string, { second: number; text: string }>,
): string {
  switch (field.kind) {
    case "text":
      return field.text;
    case "value":
      return simpleValue(field.value, record);
    case "parameter":
      return printed(record.parameter(field.name));
    case "header":
      return printed(record.header(field.name));
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
      return printed(record.parameter("REMOTE_ADDR"));
    case "remote user":
      return printed(record.parameter("REMOTE_USER"));
    case "method":
      return printed(record.parameter("REQUEST_METHOD"));
    case "path":
      return printed(pathOf(record));
    case "question mark":
      return record.parameter("QUERY_STRING") ? "?" : "";
    case "query":
      return escaped(record.parameter("QUERY_STRING") ?? "");
    case "status":
      return shown(record.status);
    case "script":
      return printed(record.parameter("SCRIPT_FILENAME"));
    case "content length":
      return printed(record.parameter("CONTENT_LENGTH") || "0");
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

function jsonLine(record: AccessRecord): string {
  const text = (value: string | undefined) => (value ? readable(value) : undefined);
  const line = jsonOf({
    time: record.startedAt.toISOString(),
    remote: text(record.parameter("REMOTE_ADDR")),
    user: text(record.parameter("REMOTE_USER")),
    method: text(record.parameter("REQUEST_METHOD")),
    path: text(pathOf(record)),
    protocol: text(record.parameter("SERVER_PROTOCOL")),
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
  return pathAskedFor(record.parameter("REQUEST_URI"), record.parameter("SCRIPT_NAME"));
}

function durationOf(of: "total" | "wait" | "cpu", record: AccessRecord): number | undefined {
  if (of === "total") return record.tookMs;
  return of === "wait" ? record.waitedMs : record.cpuMs;
}

function scaled(value: number | undefined, unit: { divisor: number; places: number }): string {
  return value === undefined ? NOTHING : (value / unit.divisor).toFixed(unit.places);
}

/** Most lines have the second of the one before. */
function timeOf(
  time: LocalTime,
  pattern: string,
  times: Map<string, { second: number; text: string }>,
): string {
  const second = Math.floor(time.getTime() / 1000);
  const known = times.get(pattern);
  if (known?.second === second) return known.text;
  const text = strftime(pattern, time);
  times.set(pattern, { second, text });
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
