import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { resolve } from "node:path";
import { bashOffers, makeShellFolder } from "../support/shells.ts";
import { type Site, startSite } from "../support/site.ts";
import type { TempDir } from "../support/temp-dir.ts";
import { startOnTerminal } from "../support/terminal.ts";

/** What a shell, or readline, takes for more than a letter. */
const ODD = [
  "a b.fcgi",
  "a c.fcgi",
  "k:w.fcgi",
  "k=v.fcgi",
  'q"$x.fcgi',
  "it's.fcgi",
  "s*r.fcgi",
  "-dash.fcgi",
];

let site: Site;
let dir: TempDir;

beforeAll(async () => {
  dir = makeShellFolder();
  site = await startSite({ lab: ODD });
  for (const name of ODD) await site.text(encodeURIComponent(name));
});
afterAll(async () => {
  await site[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

describe("in bash a name that is partly written", () => {
  test("is completed however it is quoted", () => {
    const at = `${site.root}/`;
    const offered = (written: string) =>
      bashOffers(dir, `restart --config ${site.fpm.configFile} ${written}`).sort();
    expect(offered(`${at}a`)).toEqual([`${at}a\\ b.fcgi`, `${at}a\\ c.fcgi`]);
    expect(offered(`${at}a\\ `)).toEqual([`${at}a\\ b.fcgi`, `${at}a\\ c.fcgi`]);
    expect(offered(`${at}a\\ b`)).toEqual([`${at}a\\ b.fcgi`]);
    expect(offered(`'${at}a `)).toEqual([`${at}a b.fcgi`, `${at}a c.fcgi`]);
    expect(offered(`"${at}a "`)).toEqual([`${at}a\\ b.fcgi`, `${at}a\\ c.fcgi`]);
    expect(offered(`${at}k`)).toEqual([`${at}k:w.fcgi`, `${at}k=v.fcgi`]);
    expect(offered(`${at}k:`)).toEqual(["w.fcgi"]);
    expect(offered(`${at}k=`)).toEqual(["v.fcgi"]);
    expect(offered(`"${at}k=`)).toEqual([`${at}k=v.fcgi`]);
    expect(offered(`"${at}q`)).toEqual([`${at}q\\"\\$x.fcgi`]);
    expect(offered(`'${at}i`)).toEqual([`${at}it'\\''s.fcgi`]);
    expect(offered(`${at}i`)).toEqual([`${at}it\\'s.fcgi`]);
    expect(offered(`${at}s*`)).toEqual([`${at}s\\*r.fcgi`]);
    expect(offered(`${at}-`)).toEqual([`${at}-dash.fcgi`]);
  });

  test.each([
    ["a\tb\t", "a\\ b.fcgi "],
    ["a\\ c\t", "a\\ c.fcgi "],
    ["k\t:\t", "k:w.fcgi "],
    ["k=\t", "k=v.fcgi "],
    ["k\\=\t", "k=v.fcgi "],
    ["q\t", 'q\\"\\$x.fcgi '],
    ["it\t", "it\\'s.fcgi "],
    ["s*\t", "s\\*r.fcgi "],
  ])("completes a name on a terminal: %p", async (typed, expected) => {
    const at = `${site.root}/`;
    expect(await onTerminal(at, typed)).toBe(at + expected);
  });

  test.each(['"', "'"])("completes a name behind %p on a terminal", async (quote) => {
    const at = `${quote}${site.root}/`;
    expect(await onTerminal(at, "a\tb\t")).toBe(`${at}a b.fcgi${quote} `);
    expect(await onTerminal(at, "k:\t")).toBe(`${at}k:w.fcgi${quote} `);
  });
});

/** What a real bash makes of what is typed behind `std-fpm restart`, with its tabs. */
async function onTerminal(at: string, typed: string): Promise<string> {
  const env = `PATH=${dir.at("bin")}:$PATH PS1='> '`;
  await using terminal = startOnTerminal(["bash", "--norc", "--noprofile", "-i"], { columns: 400, rows: 30 });
  terminal.type(
    `${env}; source ${resolve("completions/std-fpm.bash")}; bind 'set bell-style none'; echo rea""dy\n`,
  );
  await terminal.until("it is ready", (text) => text.includes("ready\n> "));
  // A key of its own prints the line as it is.
  terminal.type(`show() { printf '<%s>' "$READLINE_LINE"; }; bind -x '"\\C-xs": show'\n`);
  terminal.type(`std-fpm restart --config ${site.fpm.configFile} ${at}${typed}\x18s`);
  const line = /<std-fpm restart --config \S+ (.*?)>/;
  await terminal.until("the line is shown", () => line.test(terminal.raw));
  return line.exec(terminal.raw)?.[1] ?? "";
}
