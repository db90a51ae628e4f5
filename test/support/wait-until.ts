/** How much longer everything may take than on a machine of its own: for an executable that is emulated. */
export const TIME_FACTOR = Number(process.env["TIME_FACTOR"] ?? 1);

/** Polls until the condition holds and gives its value; fails with what was awaited after the deadline. */
export async function waitUntil<T>(
  what: string,
  condition: () => T | Promise<T>,
  deadlineMs = 10_000,
): Promise<NonNullable<T>> {
  const limitMs = deadlineMs * TIME_FACTOR;
  const end = performance.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await Bun.sleep(5);
  }
}
