import { type TSchema, Type } from "@sinclair/typebox";
import { MAX_DURATION_MS, parseDuration } from "./units.ts";

/** What std-fpm adds to a schema: `expected` for the message, `verify` for what a pattern cannot say. */
export interface Annotations {
  readonly expected: string;
  readonly description?: string;
  readonly default?: unknown;
  /** The reason why a value of the right shape is refused, or undefined. */
  verify?(value: never): string | undefined;
}

/** The options of every table. */
export const TABLE = { additionalProperties: false, expected: "a table" };

/** The annotations of a schema. */
export function annotationsOf(schema: TSchema): Annotations {
  return schema as unknown as Annotations;
}

/** A name or a number of a user or group; "" for none. */
export function name(description: string) {
  return Type.String({
    pattern: "^[^\\0:/\\s]*$",
    default: "",
    description,
    expected: 'a name or a number in quotes, or ""',
  });
}

/** A whole number within bounds. */
export function integer(minimum: number, maximum: number, fallback: number, description: string) {
  return Type.Integer({
    minimum,
    maximum,
    default: fallback,
    description,
    expected: `a whole number from ${minimum} to ${maximum}`,
  });
}

/** "500ms", "30s", "3m", "1h", or "0" where that is allowed. */
export function duration(fallback: string, description: string, range: "positive" | "any" = "any") {
  const isPositive = range === "positive";
  return Type.String({
    pattern: isPositive ? "^0*[1-9][0-9]*(?:ms|s|m|h)$" : "^(?:0|[0-9]+(?:ms|s|m|h))$",
    default: fallback,
    description,
    expected: `a duration ${isPositive ? "above 0 " : ""}such as "500ms", "30s", "3m" or "1h"`,
    verify: verifyDuration,
  });
}

/** "64K", "256M", "1G"; "0" for none. */
export function size(description: string) {
  return Type.String({
    pattern: "^[0-9]{1,15}[KMG]?$",
    default: "0",
    description,
    expected: 'a size such as "64K", "256M" or "1G"',
  });
}

/** The absolute path of a file; "" for none. */
export function file(description: string, example: string) {
  return Type.String({
    pattern: "^(?:/[^\\0]*)?$",
    default: "",
    description,
    expected: `an absolute path such as "${example}", or ""`,
  });
}

/** The words of a command, the executable's absolute path first; no shell reads them. Empty for none. */
export function command(description: string, example: readonly string[]) {
  return Type.Array(Type.String({ pattern: "^[^\\0]*$", expected: "a string" }), {
    default: [],
    description,
    expected: `a list of strings, such as [${example.map((word) => JSON.stringify(word)).join(", ")}]`,
    verify: verifyCommand,
  });
}

/** The options of a string that is an absolute path. */
export function path(fallback: string | undefined, description: string | undefined) {
  return {
    pattern: "^/[^\\0]*$",
    expected: "an absolute path",
    ...(fallback === undefined ? {} : { default: fallback }),
    ...(description === undefined ? {} : { description }),
  };
}

/** One of several words. */
export function oneOf<const Words extends string[]>(
  words: Words,
  fallback: Words[number],
  description: string,
) {
  return Type.Unsafe<Words[number]>(
    Type.String({
      pattern: `^(?:${words.join("|")})$`,
      default: fallback,
      description,
      expected: words.map((word) => `"${word}"`).join(", "),
    }),
  );
}

function verifyDuration(text: string): string | undefined {
  const milliseconds = parseDuration(text) ?? Number.POSITIVE_INFINITY;
  return milliseconds > MAX_DURATION_MS ? `${text} is too long; the longest duration is 576h` : undefined;
}

function verifyCommand(words: readonly string[]): string | undefined {
  const [executable] = words;
  if (executable === undefined || executable.startsWith("/")) return undefined;
  return `expected the absolute path of an executable first, found ${JSON.stringify(executable)}`;
}
