/** The longest duration a timer of the platform can hold, rounded down to whole days. */
export const MAX_DURATION_MS = 24 * 86_400_000;

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const UNIT_BYTES: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** Milliseconds of "500ms", "30s", "3m", "1h" or "0"; undefined when the text is none of these. */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  const [, digits = "", unit = ""] = /^([0-9]{1,15})(ms|s|m|h)$/.exec(text) ?? [];
  const factor = UNIT_MS[unit];
  return factor === undefined ? undefined : Number(digits) * factor;
}

/** Bytes of "512", "64K", "256M" or "1G"; undefined when the text is none of these. */
export function parseSize(text: string): number | undefined {
  const [, digits, unit = ""] = /^([0-9]{1,15})([KMG]?)$/.exec(text) ?? [];
  const factor = UNIT_BYTES[unit];
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}
