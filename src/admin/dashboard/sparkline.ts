/** The size of a sparkline in its own units; the page stretches it. */
export const SPARK_WIDTH = 180;
const SPARK_HEIGHT = 30;
/** Room for half the width of a line. */
const EDGE = 1;

/**
 * The path of a line through these values, the newest at the right end, `top` at the upper one and 0 at the lower one. Where there
 * is no value the line has a gap; a value alone is a dot.
 */
export function sparkPath(values: readonly (number | null)[], top: number, slots: number): string {
  const step = SPARK_WIDTH / (slots - 1);
  const first = SPARK_WIDTH - (values.length - 1) * step;
  let path = "";
  let isDrawing = false;
  for (const [index, value] of values.entries()) {
    if (value === null) {
      isDrawing = false;
      continue;
    }
    const share = top > 0 ? Math.min(1, value / top) : 0;
    const y = SPARK_HEIGHT - EDGE - share * (SPARK_HEIGHT - 2 * EDGE);
    path += `${isDrawing ? "L" : "M"}${rounded(first + index * step)} ${rounded(y)}`;
    if (!isDrawing) path += "h0";
    isDrawing = true;
  }
  return path;
}

/** The highest of the values; 0 without any. */
export function highest(values: readonly (number | null)[]): number {
  return values.reduce<number>((top, value) => Math.max(top, value ?? 0), 0);
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
