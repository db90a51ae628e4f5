import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { resolve } from "node:path";
import { snapshotOf } from "../support/admin.ts";
import { bashOffers, makeShellFolder, runShell } from "../support/shells.ts";
import { type Site, startSite } from "../support/site.ts";
import type { TempDir } from "../support/temp-dir.ts";
import { startOnTerminal } from "../support/terminal.ts";

// What the shells themselves make of the completions, with a daemon that has a program whose name must be quoted.

const SPACED = "sp ace.fcgi";

let site: Site;
let dir: TempDir;
let pid: number;

beforeAll(async () => {
  dir = makeShellFolder();
  site = await startSite({ lab: [SPACED] });
  await site.text(encodeURIComponent(SPACED));
  pid = (await snapshotOf(site.fpm)).programs[0]?.process_list?.[0]?.pid ?? 0;
});
afterAll(async () => {
  await site[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

const shell = (...command: string[]) => runShell(dir, ...command);
const bash = (line: string) => bashOffers(dir, line);

function fishShows(line: string): string {
  const script = `source ${resolve("completions/std-fpm.fish")}; complete -C $argv[1]`;
  return shell("fish", "--no-config", "-c", script, "--", line);
}

function fish(line: string): string[] {
  return fishShows(line)
    .split("\n")
    .map((each) => each.replace(/\t.*/, ""))
    .filter(Boolean);
}

describe("bash", () => {
  test("offers commands, flags and their values where they may stand", () => {
    expect(bash("st")).toEqual(["status", "stop"]);
    expect(bash("--config c.toml st")).toEqual(["status", "stop"]);
    expect(bash("--config c.toml  status --re")).toEqual(["--ready"]);
    expect(bash("status --config a")).toEqual(["files"]);
    expect(bash("status --config=a")).toEqual(["files"]);
    expect(bash("status --config=")).toEqual(["files"]);
    expect(bash("request a")).toEqual(["files"]);
    expect(bash("request --query a")).toEqual([]);
    expect(bash("request --query=a")).toEqual([]);
    expect(bash("help ver")).toEqual(["version"]);
    expect(bash("status x")).toEqual([]);
    expect(bash("nosuch ")).toEqual([]);
    expect(bash("-")).toEqual(["--config", "--help", "--version"]);
  });

  test("offers the programs and processes of the daemon that is meant, quoted", () => {
    const config = `--config ${site.fpm.configFile}`;
    const spaced = `${site.root}/sp\\ ace.fcgi`;
    expect(bash(`${config} restart `)).toEqual([spaced]);
    expect(bash(`--config='${site.fpm.configFile}' restart `)).toEqual([spaced]);
    expect(bash(`drain ${config} ${site.root}`)).toEqual([spaced]);
    expect(bash(`drain ${config} /elsewhere`)).toEqual([]);
    expect(bash(`kill --socket ${site.fpm.runtimeDir}/admin.sock `)).toEqual([String(pid)]);
    expect(bash(`kill --socket ${dir.at("none")} `)).toEqual([]);
  });
});

describe("fish", () => {
  test("offers commands, flags without a value as such, programs and processes", () => {
    expect(fish("std-fpm sto")).toEqual(["stop"]);
    expect(fish("std-fpm status --re")).toEqual(["--ready"]);
    expect(fish("std-fpm help ver")).toEqual(["version"]);
    expect(fishShows("std-fpm rest")).toContain("Replace a program's processes");
    expect(fishShows("std-fpm restart --soc")).toContain("Address of `[admin] listen` instead");
    const config = `--config ${site.fpm.configFile}`;
    expect(fish(`std-fpm restart ${config} `)).toEqual([`${site.root}/${SPACED}`]);
    expect(fish(`std-fpm kill ${config} `)).toEqual([String(pid)]);
  });
});

describe("zsh", () => {
  test.each([
    ["std-fpm sto", () => "std-fpm stop"],
    ["std-fpm status --rea", () => "--ready"],
    ["std-fpm help ver", () => "std-fpm help version"],
    [() => `std-fpm restart --config ${site.fpm.configFile} /`, () => `${site.root}/sp\\ ace.fcgi`],
    [
      () => `std-fpm drain --config ${site.fpm.configFile} ${site.root}/sp\\ a`,
      () => `${site.root}/sp\\ ace.fcgi`,
    ],
    ["std-fpm re", () => "Replace a program's processes"],
    ["std-fpm restart --", () => "Address of `[admin] listen` instead"],
    [() => `std-fpm kill --config ${site.fpm.configFile} `, () => String(pid)],
  ])("completes a line (%#)", async (typed, expected) => {
    const setup = `fpath=(${resolve("completions")} $fpath); PATH=${dir.at("bin")}:$PATH; PS1='> '; autoload -Uz compinit; compinit -u -d ${dir.at("zcompdump")}; echo ready`;
    await using terminal = startOnTerminal(["zsh", "-f", "-i"], { columns: 200, rows: 30 });
    terminal.type(`${setup}\n`);
    await terminal.until("it is ready", (text) => /^ready\n>/m.test(text));
    terminal.type(`${typeof typed === "string" ? typed : typed()}\t`);
    await terminal.until("it is completed", (text) => text.includes(expected()));
  });
});
