import { createConsola, type LogObject } from "consola";
import { escapeControls, jsonOf } from "./escape-controls.ts";

/** What a line is about; printed as `key=value`, or as members in JSON. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** The daemon's log. Every method writes at most one line and never throws. */
export interface Log {
  /** Whether debug lines are written; saves making them. */
  readonly isDebug: boolean;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFormat = "auto" | "pretty" | "plain" | "json";
/** Who reads lines: a person, systemd's journal, or anybody else, such as those who read a file. */
export type LogReader = "terminal" | "journal" | "other";

/** What may change while a log is in use. */
export interface LogSettings {
  readonly level: LogLevel;
  readonly format: LogFormat;
}

/** A log whose owner may change its settings. */
export interface AdjustableLog extends Log {
  adjust(settings: LogSettings): void;
}

export interface LogOptions extends LogSettings {
  /** Takes finished lines, each ending in a newline. */
  write(line: string): void;
  /** Whether `pretty` has them, too; it does unless told. */
  hasColours?: boolean;
  /** Who reads the next line; settles `auto`. The journal gets its priority in front of each line (sd-daemon(3)). */
  reader(): LogReader;
  /** Wall-clock time of a line. */
  wallClock?: () => Date;
}

const CONSOLA_LEVEL: Record<LogLevel, number> = { error: 0, warn: 1, info: 3, debug: 4 };
const COLOUR: Record<string, string> = {
  error: "\x1b[31m",
  warn: "\x1b[33m",
  info: "\x1b[36m",
  debug: "\x1b[90m",
};
const RESET = "\x1b[0m";
/** syslog(3). */
const PRIORITY: Record<string, string> = { error: "<3>", warn: "<4>", info: "<6>", debug: "<7>" };
/** The journal has the time and the level of each line already. */
const AUTOMATIC = { terminal: "pretty", journal: "bare", other: "plain" } as const;

const LIKE_A_FIELD = /(?:^|\s)[a-z_]+=\S/;

type LineFormat = Exclude<LogFormat, "auto"> | "bare";

/** A log on top of consola: pretty on a terminal, `message key=value` in the journal, `time level message key=value` elsewhere, or JSON lines. */
export function createLog(options: LogOptions): AdjustableLog {
  let { format } = options;
  const { hasColours = true } = options;
  const wallClock = options.wallClock ?? (() => new Date());
  const rendered = (entry: LogObject) => {
    const reader = options.reader();
    const line = render(entry, format === "auto" ? AUTOMATIC[reader] : format, wallClock(), hasColours);
    return reader === "journal" ? `${PRIORITY[entry.type] ?? ""}${line}` : line;
  };
  const consola = createConsola({
    level: CONSOLA_LEVEL[options.level],
    throttle: 0,
    reporters: [{ log: (entry) => options.write(rendered(entry)) }],
  });
  let isDebug = options.level === "debug";
  return {
    get isDebug() {
      return isDebug;
    },
    adjust(settings) {
      format = settings.format;
      isDebug = settings.level === "debug";
      consola.level = CONSOLA_LEVEL[settings.level];
    },
    debug: (message, fields) => consola.debug(message, fields),
    info: (message, fields) => consola.info(message, fields),
    warn: (message, fields) => consola.warn(message, fields),
    error: (message, fields) => consola.error(message, fields),
  };
}

function render(entry: LogObject, format: LineFormat, time: Date, hasColours: boolean): string {
  const [message, fields] = entry.args as [string, LogFields | undefined];
  const level = entry.type;
  if (format === "json") {
    return `${jsonOf({ time: time.toISOString(), level, message, ...fields })}\n`;
  }
  // What a program prints must not look like fields of ours.
  const shown = LIKE_A_FIELD.test(message) ? jsonOf(message) : escapeControls(message);
  const text = `${shown}${renderFields(fields)}`;
  if (format === "bare") return `${text}\n`;
  if (format === "pretty") {
    const clock = time.toTimeString().slice(0, 8);
    const word = level.padEnd(5);
    return `${clock} ${hasColours ? `${COLOUR[level] ?? ""}${word}${RESET}` : word} ${text}\n`;
  }
  return `${time.toISOString()} ${level} ${text}\n`;
}

function renderFields(fields: LogFields | undefined): string {
  let text = "";
  for (const key in fields) {
    const value = fields[key];
    if (value === undefined) continue;
    const printed = String(value);
    text += ` ${key}=${/^[^\s"=]+$/.test(printed) ? escapeControls(printed) : jsonOf(printed)}`;
  }
  return text;
}
