const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A time for people: "2.5 ms", "1.2 s", "3 m 20 s", "2 d 5 h"; "-" when unknown. */
export function formatSeconds(seconds: number | null): string {
  if (seconds === null) return "-";
  if (seconds < 0.9995) return `${significant(seconds * 1000)} ms`;
  if (seconds < MINUTE) return `${significant(seconds)} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} m ${Math.floor(seconds % MINUTE)} s`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h ${Math.floor((seconds % HOUR) / MINUTE)} m`;
  return `${Math.floor(seconds / DAY)} d ${Math.floor((seconds % DAY) / HOUR)} h`;
}

/** "1 request", "2 requests". */
export function countOf(count: number, thing: string, things = `${thing}s`): string {
  return `${count} ${count === 1 ? thing : things}`;
}

/** A number of bytes for people: "812 B", "4.5 KiB", "12 MiB"; "-" when unknown. */
export function formatBytes(bytes: number | null): string {
  if (bytes === null) return "-";
  let [value, unit] = [bytes, 0];
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${significant(value)} ${units[unit]}`;
}

/** A part of a whole as per cent; "-" when unknown. */
export function formatShare(share: number | null): string {
  return share === null ? "-" : `${Math.round(share * 100)} %`;
}

/** A number of cores, which may have a fraction: "2", "0.5", "1.33". */
export function formatCores(cores: number): string {
  return String(Number(cores < 1 ? cores.toPrecision(2) : cores.toFixed(2)));
}

/** Two digits that count, no zeros behind. */
function significant(value: number): string {
  return value >= 9.95 ? String(Math.round(value)) : String(Number(value.toFixed(1)));
}
