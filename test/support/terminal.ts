import { Terminal } from "@xterm/headless";
import { waitUntil } from "./wait-until.ts";

/** A program on a terminal of its own, and what a person would see there. */
export interface TerminalSession extends AsyncDisposable {
  readonly pid: number;
  readonly exited: Promise<number>;
  /** The lines of the screen, without spaces at their ends. */
  lines(): string[];
  /** Whether the program has the other screen, whose contents go away. */
  readonly isOnOtherScreen: boolean;
  /** What the program sent, escapes and all. */
  readonly raw: string;
  type(keys: string): void;
  resize(columns: number, rows: number): void;
  /** Waits until the screen's text is as asked for. */
  until(what: string, isSo: (text: string) => boolean): Promise<void>;
}

/** Runs a program on a new pseudo terminal. Use it with `await using`: the program ends with it. */
export function startOnTerminal(
  command: readonly string[],
  size = { columns: 120, rows: 30 },
): TerminalSession {
  const screen = new Terminal({ cols: size.columns, rows: size.rows, allowProposedApi: true });
  let raw = "";
  const child = Bun.spawn([...command], {
    env: { ...process.env, TERM: "xterm" },
    terminal: {
      cols: size.columns,
      rows: size.rows,
      data(_terminal, chunk) {
        raw += Buffer.from(chunk).toString();
        screen.write(chunk);
      },
    },
  });
  const lines = () => {
    const { active } = screen.buffer;
    return Array.from(
      { length: screen.rows },
      (_, row) => active.getLine(active.viewportY + row)?.translateToString(true) ?? "",
    );
  };
  return {
    pid: child.pid,
    exited: child.exited,
    lines,
    get isOnOtherScreen() {
      return screen.buffer.active.type === "alternate";
    },
    get raw() {
      return raw;
    },
    type: (keys) => void child.terminal?.write(keys),
    resize(columns, rows) {
      screen.resize(columns, rows);
      child.terminal?.resize(columns, rows);
    },
    until: async (what, isSo) => {
      await waitUntil(what, () => isSo(lines().join("\n"))).catch((error: Error) => {
        throw new Error(`${error.message}; the screen:\n${lines().join("\n")}`);
      });
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
      child.terminal?.close();
      screen.dispose();
    },
  };
}
