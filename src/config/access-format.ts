/** A unit that a quantity is written in: what the base (milliseconds, bytes) is divided by, and decimal places. */
interface Unit {
  readonly divisor: number;
  readonly places: number;
}

/** What a place of the template stands for, where that needs nothing more. */
const SIMPLE = {
  R: "remote address",
  u: "remote user",
  m: "method",
  r: "path",
  Q: "question mark",
  q: "query",
  s: "status",
  f: "script",
  l: "content length",
  b: "bytes",
  n: "program",
  p: "pid",
  P: "own pid",
  x: "outcome",
  E: "error code",
} as const;

export type AccessValue = (typeof SIMPLE)[keyof typeof SIMPLE];

export type AccessField =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "value"; readonly value: AccessValue }
  /** A FastCGI parameter. */
  | { readonly kind: "parameter"; readonly name: string }
  /** A header field of the answer, in small letters. */
  | { readonly kind: "header"; readonly name: string }
  /** When the request came, or when its line is made; strftime(3). */
  | { readonly kind: "time"; readonly when: "start" | "end"; readonly pattern: string }
  | { readonly kind: "duration"; readonly of: "total" | "wait" | "cpu"; readonly unit: Unit }
  /** The part of a core that was used, in per cent. */
  | { readonly kind: "cpu share" }
  | { readonly kind: "memory"; readonly unit: Unit };

export type AccessFormat =
  | { readonly kind: "json" }
  | { readonly kind: "template"; readonly fields: readonly AccessField[] };

const SECONDS: Unit = { divisor: 1000, places: 3 };
const TIME_UNITS: Readonly<Record<string, Unit>> = {
  seconds: SECONDS,
  milliseconds: { divisor: 1, places: 3 },
  milli: { divisor: 1, places: 3 },
  mili: { divisor: 1, places: 3 },
  microseconds: { divisor: 0.001, places: 0 },
  micro: { divisor: 0.001, places: 0 },
};
const BYTES: Unit = { divisor: 1, places: 0 };
const MEMORY_UNITS: Readonly<Record<string, Unit>> = {
  bytes: BYTES,
  kilobytes: { divisor: 1024, places: 0 },
  kilo: { divisor: 1024, places: 0 },
  megabytes: { divisor: 1024 * 1024, places: 0 },
  mega: { divisor: 1024 * 1024, places: 0 },
};
const DURATIONS = { d: "total", w: "wait" } as const;
/** Without the query: it may hold what is nobody's business. */
const COMBINED = '%R - %u [%t] "%m %r %{SERVER_PROTOCOL}e" %s %b "%{HTTP_REFERER}e" "%{HTTP_USER_AGENT}e"';
const TIME_PATTERN = "%d/%b/%Y:%H:%M:%S %z";
const TIME_LETTERS = "YmdHMSbeyazTFDRst%";

/** "combined", "json", or a template like that of php-fpm; a text says what is wrong with it. */
export function parseAccessFormat(format: string): AccessFormat | string {
  if (format === "json") return { kind: "json" };
  const template = format === "combined" ? COMBINED : format;
  const fields: AccessField[] = [];
  const place = /%(?:\{([^}]*)\})?(.)?|[^%]+/gsu;
  for (const [whole, option, letter] of template.matchAll(place)) {
    if (!whole.startsWith("%")) fields.push({ kind: "text", text: whole });
    else if (letter === undefined) return `${JSON.stringify(whole)} is not complete`;
    else {
      const field = fieldOf(letter, option);
      if (typeof field === "string") return `${whole}: ${field}`;
      fields.push(field);
    }
  }
  return fields.length === 0 ? "the format is empty" : { kind: "template", fields };
}

/** The places of a format, where it is a template. */
export function fieldsOf(format: AccessFormat): readonly AccessField[] {
  return format.kind === "json" ? [] : format.fields;
}

function fieldOf(letter: string, option: string | undefined): AccessField | string {
  if (Object.hasOwn(SIMPLE, letter)) {
    if (option !== undefined) return "this takes nothing in {}";
    return { kind: "value", value: SIMPLE[letter as keyof typeof SIMPLE] };
  }
  switch (letter) {
    case "%":
      return { kind: "text", text: "%" };
    case "e":
      return option ? { kind: "parameter", name: option } : "expected the name of a parameter: %{NAME}e";
    case "o":
      return option
        ? { kind: "header", name: option.toLowerCase() }
        : "expected the name of a header field: %{Name}o";
    case "t":
    case "T":
      return timeField(letter === "t" ? "start" : "end", option || TIME_PATTERN);
    case "d":
    case "w":
      return quantity(option ?? "seconds", TIME_UNITS, (unit) => ({
        kind: "duration",
        of: DURATIONS[letter],
        unit,
      }));
    case "C":
      if (option === undefined) return { kind: "cpu share" };
      return quantity(option, TIME_UNITS, (unit) => ({ kind: "duration", of: "cpu", unit }));
    case "M":
      return quantity(option ?? "bytes", MEMORY_UNITS, (unit) => ({ kind: "memory", unit }));
    default:
      return "there is no such place";
  }
}

function timeField(when: "start" | "end", pattern: string): AccessField | string {
  const unknown = [...pattern.matchAll(/%(.?)/gsu)].find(
    ([, letter]) => !TIME_LETTERS.includes(letter || "?"),
  );
  if (unknown)
    return `${unknown[0]} of strftime(3) is not known here; known are ${[...TIME_LETTERS].join(" ")}`;
  return { kind: "time", when, pattern };
}

function quantity(
  name: string,
  units: Readonly<Record<string, Unit>>,
  make: (unit: Unit) => AccessField,
): AccessField | string {
  const unit = Object.hasOwn(units, name) ? units[name] : undefined;
  return unit ? make(unit) : `expected one of ${Object.keys(units).join(", ")} in {}`;
}
