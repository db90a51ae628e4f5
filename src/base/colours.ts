/** Whether somebody who reads on a terminal wants colours (no-color.org), and has a terminal that knows any control sequence. */
export function wantsColours(env: Readonly<Record<string, string | undefined>>): boolean {
  return (env["NO_COLOR"] ?? "") === "" && !isDumb(env);
}

/** Whether the terminal can do no more than print lines. */
export function isDumb(env: Readonly<Record<string, string | undefined>>): boolean {
  return env["TERM"] === "dumb";
}
