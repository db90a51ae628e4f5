/** A point in time as the machine's clock on the wall shows it: a Date. */
export interface LocalTime {
  getTime(): number;
  getFullYear(): number;
  getMonth(): number;
  getDate(): number;
  getDay(): number;
  getHours(): number;
  getMinutes(): number;
  getSeconds(): number;
  /** In minutes, negative in the east. */
  getTimezoneOffset(): number;
  toISOString(): string;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;

const LETTERS: Readonly<Record<string, (time: LocalTime) => string>> = {
  Y: (time) => String(time.getFullYear()),
  y: (time) => two(time.getFullYear() % 100),
  m: (time) => two(time.getMonth() + 1),
  b: (time) => MONTHS[time.getMonth()] ?? "",
  d: (time) => two(time.getDate()),
  e: (time) => String(time.getDate()).padStart(2),
  a: (time) => DAYS[time.getDay()] ?? "",
  H: (time) => two(time.getHours()),
  M: (time) => two(time.getMinutes()),
  S: (time) => two(time.getSeconds()),
  z: (time) => zone(-time.getTimezoneOffset()),
  s: (time) => String(Math.floor(time.getTime() / 1000)),
  T: (time) => strftime("%H:%M:%S", time),
  F: (time) => strftime("%Y-%m-%d", time),
  D: (time) => strftime("%m/%d/%y", time),
  R: (time) => strftime("%H:%M", time),
  t: () => "\t",
  "%": () => "%",
};

/** A time in the machine's time zone, after a pattern of strftime(3) in the C locale. Letters that it does not know stay as they are. */
export function strftime(pattern: string, time: LocalTime): string {
  return pattern.replace(/%(.)/gs, (whole, letter: string) => LETTERS[letter]?.(time) ?? whole);
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}

function zone(minutes: number): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}${two(size % 60)}`;
}
