import { escapeControls, jsonOf } from "../base/escape-controls.ts";
import type { LineBuffer } from "../base/line-buffer.ts";
import { utf8 } from "../base/utf8.ts";
import type { AccessField, AccessFormat, AccessValue } from "../config/access-format.ts";
import { pathAskedFor, type RequestHead } from "../fcgi/head.ts";
import { latin1 } from "../fcgi/params.ts";
import { WantedParameters } from "../fcgi/wanted-parameters.ts";
import { type LocalTime, strftime } from "./strftime.ts";

/** The header fields of an answer. */
export interface AnswerFields {
  /** The value of one (its name in small letters), a character a byte. */
  field(name: string): string | undefined;
}

/** What is known of a request that has ended. What is not known is undefined. */
export interface AccessRecord {
  readonly head: RequestHead;
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

/** The parameters that a place is the value of, with the name it has here. */
const PARAMETERS: Partial<Record<AccessValue, string>> = {
  "remote address": "REMOTE_ADDR",
  "remote user": "REMOTE_USER",
  method: "REQUEST_METHOD",
  script: "SCRIPT_FILENAME",
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
const QUESTION_MARK = 63;

/** Makes the lines of an access log. */
export interface AccessLine {
  /** Adds the line of a request, its newline included. What a client or a program chose cannot leave its place. */
  write(record: AccessRecord, line: LineBuffer): void;
}

/** Adds one place of the template. */
type Part = (record: AccessRecord, line: LineBuffer) => void;

/** Lines of this format. `localTime` is told milliseconds since the epoch. */
export function createAccessLine(format: AccessFormat, localTime: (at: number) => LocalTime): AccessLine {
  return format.kind === "json" ? new JsonLine(localTime) : new TemplateLine(format.fields, localTime);
}

class TemplateLine implements AccessLine {
  readonly #parts: readonly Part[];
  readonly #names: string[] = [];
  readonly #parameters: WantedParameters;

  constructor(fields: readonly AccessField[], localTime: (at: number) => LocalTime) {
    this.#parts = fields.map((field) => this.#partOf(field, localTime));
    this.#parameters = new WantedParameters(this.#names);
  }

  write(record: AccessRecord, line: LineBuffer): void {
    this.#parameters.look(record.head);
    for (const part of this.#parts) part(record, line);
    line.text("\n");
  }

  #partOf(field: AccessField, localTime: (at: number) => LocalTime): Part {
    switch (field.kind) {
      case "text":
        return (_, line) => line.text(field.text);
      case "value":
        return this.#valuePart(field.value);
      case "parameter":
        return this.#parameterPart(field.name, NOTHING);
      case "header":
        return (record, line) => line.text(printed(record.answer?.field(field.name)));
      case "time":
        return timePart(field.pattern, field.when, localTime);
      case "duration":
        return (record, line) => line.text(scaled(durationOf(field.of, record), field.unit));
      case "memory":
        return (record, line) => line.text(scaled(record.memoryBytes, field.unit));
      case "cpu share":
        return (record, line) => line.text(cpuShare(record));
    }
  }

  #valuePart(value: AccessValue): Part {
    const parameter = PARAMETERS[value];
    if (parameter !== undefined) return this.#parameterPart(parameter, NOTHING);
    switch (value) {
      case "path":
        return this.#pathPart();
      case "question mark": {
        const query = this.#indexOf("QUERY_STRING");
        return (_, line) => line.text(this.#isEmpty(query) ? "" : "?");
      }
      case "query":
        return this.#parameterPart("QUERY_STRING", "");
      case "content length":
        return this.#parameterPart("CONTENT_LENGTH", "0");
      default:
        return ownPart(value);
    }
  }

  /** The value of a parameter; `otherwise` where that is empty. */
  #parameterPart(name: string, otherwise: string): Part {
    const index = this.#indexOf(name);
    return (_, line) => {
      const { bytes } = this.#parameters;
      if (this.#isEmpty(index)) line.text(otherwise);
      else writeValue(line, bytes, this.#parameters.startOf(index), this.#parameters.endOf(index));
    };
  }

  /** What was asked for, without the query: from REQUEST_URI, or where there is none from SCRIPT_NAME. */
  #pathPart(): Part {
    const uri = this.#indexOf("REQUEST_URI");
    const script = this.#parameterPart("SCRIPT_NAME", NOTHING);
    return (record, line) => {
      const { bytes } = this.#parameters;
      const start = this.#parameters.startOf(uri);
      let end = start;
      while (end < this.#parameters.endOf(uri) && bytes[end] !== QUESTION_MARK) end++;
      if (end > start) writeValue(line, bytes, start, end);
      else script(record, line);
    };
  }

  #isEmpty(index: number): boolean {
    return this.#parameters.startOf(index) === this.#parameters.endOf(index);
  }

  #indexOf(name: string): number {
    const known = this.#names.indexOf(name);
    return known < 0 ? this.#names.push(name) - 1 : known;
  }
}

class JsonLine implements AccessLine {
  readonly #localTime: (at: number) => LocalTime;
  readonly #parameters = new WantedParameters(JSON_PARAMETERS);

  constructor(localTime: (at: number) => LocalTime) {
    this.#localTime = localTime;
  }

  write(record: AccessRecord, line: LineBuffer): void {
    const parameters = this.#parameters;
    parameters.look(record.head);
    const text = (value: string | undefined) => (value ? readable(value) : undefined);
    const path = pathAskedFor(parameters.value("REQUEST_URI"), parameters.value("SCRIPT_NAME"));
    const json = jsonOf({
      time: this.#localTime(record.startedAt).toISOString(),
      remote: text(parameters.value("REMOTE_ADDR")),
      user: text(parameters.value("REMOTE_USER")),
      method: text(parameters.value("REQUEST_METHOD")),
      path: text(path),
      protocol: text(parameters.value("SERVER_PROTOCOL")),
      status: record.status,
      bytes: record.bytes,
      ms: thousandths(record.tookMs),
      wait_ms: thousandths(record.waitedMs),
      program: record.program,
      pid: record.pid,
      outcome: record.outcome,
      code: record.errorCode,
    });
    line.text(`${json}\n`);
  }
}

/** What std-fpm itself knows of a request. */
function ownPart(value: AccessValue): Part {
  switch (value) {
    case "status":
      return (record, line) => writeNumber(line, record.status);
    case "bytes":
      return (record, line) => writeNumber(line, record.bytes);
    case "pid":
      return (record, line) => writeNumber(line, record.pid);
    case "own pid":
      return (record, line) => writeNumber(line, record.ownPid);
    case "program":
      return (record, line) => line.text(record.program ? quoted(record.program) : NOTHING);
    case "outcome":
      return (record, line) => line.text(record.outcome);
    default:
      return (record, line) => line.text(record.errorCode ?? NOTHING);
  }
}

/** Most lines have the second of the one before. */
function timePart(pattern: string, when: "start" | "end", localTime: (at: number) => LocalTime): Part {
  let known = Number.NaN;
  let text = "";
  return (record, line) => {
    const at = when === "start" ? record.startedAt : record.endedAt;
    const second = Math.floor(at / 1000);
    if (second !== known) text = strftime(pattern, localTime(at));
    known = second;
    line.text(text);
  };
}

function writeNumber(line: LineBuffer, value: number | undefined): void {
  if (value === undefined) line.text(NOTHING);
  else line.number(value);
}

/** The bytes of a value, nearly always as they are. */
function writeValue(line: LineBuffer, bytes: Uint8Array, start: number, end: number): void {
  if (!line.quotable(bytes, start, end)) line.text(escaped(latin1(bytes, start, end)));
}

function cpuShare({ cpuMs, tookMs }: AccessRecord): string {
  return cpuMs === undefined ? NOTHING : (tookMs === 0 ? 0 : (100 * cpuMs) / tookMs).toFixed(2);
}

function durationOf(of: "total" | "wait" | "cpu", record: AccessRecord): number | undefined {
  if (of === "total") return record.tookMs;
  return of === "wait" ? record.waitedMs : record.cpuMs;
}

function scaled(value: number | undefined, unit: { divisor: number; places: number }): string {
  return value === undefined ? NOTHING : (value / unit.divisor).toFixed(unit.places);
}

function printed(value: string | undefined): string {
  return value ? escaped(value) : NOTHING;
}

/** A character a byte: UTF-8 as it is; quotation marks, backslashes and what is not printable made visible. */
function escaped(value: string): string {
  return quoted(readable(value));
}

function quoted(text: string): string {
  return escapeControls(text.replace(/["\\]/g, (char) => `\\${char}`));
}

/** Bytes that are UTF-8 as the text that they stand for, others a character each. */
function readable(value: string): string {
  return utf8(value) ?? value;
}

function thousandths(value: number): number {
  return Math.round(value * 1000) / 1000;
}
