import type { ProgramStatus, Snapshot } from "../../status/snapshot.ts";

/** A number of things a second, or of cores: two digits that count. */
export function formatRate(rate: number | undefined): string {
  if (rate === undefined) return "-";
  return rate >= 9.95 ? String(Math.round(rate)) : String(Number(rate.toFixed(rate >= 0.995 ? 1 : 2)));
}

/** What a program's processes hold, as far as they were looked at; null when none was. */
export function memoryOf({ process_list = [] }: ProgramStatus): number | null {
  return process_list.reduce<number | null>(
    (sum, { memory_bytes }) => (memory_bytes === null ? sum : (sum ?? 0) + memory_bytes),
    null,
  );
}

/** The same for all programs. */
export function totalMemory({ programs }: Snapshot): number | null {
  return programs.reduce<number | null>((sum, program) => {
    const bytes = memoryOf(program);
    return bytes === null ? sum : (sum ?? 0) + bytes;
  }, null);
}
