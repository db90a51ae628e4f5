import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { snapshotOf } from "../support/admin.ts";
import { type Site, startSite } from "../support/site.ts";
import { EXECUTABLE } from "../support/std-fpm.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";
import { startOnTerminal } from "../support/terminal.ts";

// What the shells themselves make of the completions, with a daemon that has a program whose name must be quoted.

const SPACED = "sp ace.fcgi";

let site: Site;
let dir: TempDir;
let pid: number;

beforeAll(async () => {
  dir = makeTempDir();
  mkdirSync(dir.at("bin"));
  mkdirSync(dir.at("a folder"));
  writeFileSync(dir.at("a folder/x.fcgi"), "");
  symlinkSync(EXECUTABLE, dir.at("bin/std-fpm"));
  site = await startSite({ lab: [SPACED] });
  await site.text(encodeURIComponent(SPACED));
  pid = (await snapshotOf(site.fpm)).programs[0]?.process_list?.[0]?.pid ?? 0;
});
afterAll(async () => {
  await site[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

function shell(...command: string[]): string {
  const env = { PATH: `${dir.at("bin")}:/usr/bin:/bin`, HOME: dir.path, TERM: "xterm" };
  const { stdout, stderr } = Bun.spawnSync(command, { cwd: dir.path, env });
  expect(stderr.toString()).toBe("");
  return stdout.toString();
}

/** What bash would offer after these words; "=" is one of its own, as bash has it. */
function bash(...words: string[]): string[] {
  const script = `source ${resolve("completions/std-fpm.bash")}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _std_fpm 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return shell("bash", "-c", script, "bash", "std-fpm", ...words)
    .split("\n")
    .filter(Boolean);
}

function fish(line: string): string[] {
  const script = `source ${resolve("completions/std-fpm.fish")}; complete -C $argv[1]`;
  return shell("fish", "--no-config", "-c", script, "--", line)
    .split("\n")
    .map((each) => each.replace(/\t.*/, ""))
    .filter(Boolean);
}

describe("bash", () => {
  test("offers commands, flags and their values where they may stand", () => {
    expect(bash("st")).toEqual(["status", "stop"]);
    expect(bash("--config", "c.toml", "st")).toEqual(["status", "stop"]);
    expect(bash("--config", "c.toml", "status", "--re")).toEqual(["--ready"]);
    expect(bash("status", "--config", "a")).toEqual(["a folder"]);
    expect(bash("status", "--config", "=", "a")).toEqual(["a folder"]);
    expect(bash("status", "--config", "=")).toContain("a folder");
    expect(bash("request", "a")).toEqual(["a folder"]);
    expect(bash("request", "--query", "a")).toEqual([]);
    expect(bash("help", "ver")).toEqual(["version"]);
    expect(bash("status", "x")).toEqual([]);
    expect(bash("nosuch", "")).toEqual([]);
    expect(bash("-")).toEqual(["--config", "--help", "--version"]);
  });

  test("offers the programs and processes of the daemon that is meant, quoted", () => {
    const config = ["--config", site.fpm.configFile];
    expect(bash(...config, "restart", "")).toEqual([`${site.root}/sp\\ ace.fcgi`]);
    expect(bash("drain", ...config, site.root)).toEqual([`${site.root}/sp\\ ace.fcgi`]);
    expect(bash("drain", ...config, "/elsewhere")).toEqual([]);
    expect(bash("kill", "--socket", `${site.fpm.runtimeDir}/admin.sock`, "")).toEqual([String(pid)]);
    expect(bash("kill", "--socket", dir.at("none"), "")).toEqual([]);
  });
});

describe("fish", () => {
  test("offers commands, flags without a value as such, programs and processes", () => {
    expect(fish("std-fpm sto")).toEqual(["stop"]);
    expect(fish("std-fpm status --re")).toEqual(["--ready"]);
    expect(fish("std-fpm help ver")).toEqual(["version"]);
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
