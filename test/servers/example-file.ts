import { readFileSync } from "node:fs";

/** A text of an example, and what stands in its place in a test. */
export type Replacement = readonly [from: string, to: string];

/** A file of examples/ with a test's paths and ports in the place of an installation's. Each must occur in it. */
export function adaptedExample(example: string, replacements: readonly Replacement[]): string {
  return replacements.reduce(
    (text, [from, to]) => {
      if (!text.includes(from)) throw new Error(`examples/${example} does not have ${from}`);
      return text.replaceAll(from, to);
    },
    readFileSync(`examples/${example}`, "utf8"),
  );
}
