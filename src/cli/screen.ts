import type { Line, Size } from "./watch-view.ts";

/** What a screen tells its owner. */
export interface ScreenListener {
  /** A key, as the characters that it sends. */
  onKey(key: string): void;
  onResize(): void;
}

/** The terminal's other screen, without a cursor, and lines that do not wrap; and back (xterm's control sequences). */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
/** A line is cleared before it is written: behind a full one the cursor stands on its last character. */
const CLEAR_LINE = "\x1b[0m\x1b[2K";
const PLAIN = "\x1b[0m";
const STYLES = { head: "\x1b[7m", faint: "\x1b[2m", alarm: "\x1b[1;31m" } as const;
const STYLES_WITHOUT_COLOURS = { ...STYLES, alarm: "\x1b[1m" } as const;

/** A terminal as a page that is drawn again and again, and keys that come one by one. What it shows goes away with it. */
export class Screen {
  readonly #listener: ScreenListener;
  readonly #styles: Readonly<Record<keyof typeof STYLES, string>>;
  readonly #onData = (chunk: Buffer): void => this.#readKeys(chunk.toString("latin1"));
  readonly #onResize = (): void => this.#listener.onResize();
  /** Between `enter` and `leave`. */
  #isEntered = false;

  constructor(listener: ScreenListener, wantsColours = true) {
    this.#listener = listener;
    this.#styles = wantsColours ? STYLES : STYLES_WITHOUT_COLOURS;
  }

  get size(): Size {
    return { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
  }

  enter(): void {
    this.#isEntered = true;
    process.stdout.write(ENTER);
    process.stdout.on("resize", this.#onResize);
    if (!process.stdin.isTTY) return;
    process.stdin.setRawMode(true);
    process.stdin.on("data", this.#onData);
    process.stdin.resume();
  }

  /** The terminal is as it was. */
  leave(): void {
    if (!this.#isEntered) return;
    this.#isEntered = false;
    process.stdout.off("resize", this.#onResize);
    if (process.stdin.isTTY) {
      process.stdin.off("data", this.#onData);
      process.stdin.setRawMode(false);
      process.stdin.pause();
    }
    process.stdout.write(LEAVE);
  }

  draw(lines: readonly Line[]): void {
    if (!this.#isEntered) return;
    const drawn = lines.map(
      ({ text, style }) => `${CLEAR_LINE}${style ? this.#styles[style] : ""}${text}${PLAIN}`,
    );
    process.stdout.write(HOME + drawn.join("\r\n"));
  }

  #readKeys(chunk: string): void {
    // Arrows and the like begin with an escape.
    if (chunk.startsWith("\x1b")) this.#listener.onKey(chunk);
    else for (const key of chunk) this.#listener.onKey(key);
  }
}
