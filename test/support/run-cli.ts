import { writeFileSync } from "node:fs";
import { runCli } from "../../src/cli/cli.ts";
import type { TempDir } from "./temp-dir.ts";

/** What a command line wrote, and its exit status. */
export interface CliResult {
  readonly out: string;
  readonly err: string;
  readonly status: number;
}

/** Runs a command line in this process. */
export function run(...words: string[]): Promise<CliResult> {
  return runAs(false, ...words);
}

/** The same, by root or by somebody else. */
export async function runAs(isRoot: boolean, ...words: string[]): Promise<CliResult> {
  let err = "";
  const parts: Buffer[] = [];
  const status = await runCli(words, {
    async out(content) {
      parts.push(Buffer.from(content));
    },
    err: (text) => {
      err += text;
    },
    isOutTerminal: false,
    wantsColours: false,
    errReader: "other",
    isRoot,
  });
  return { out: Buffer.concat(parts).toString("latin1"), err, status };
}

/** A configuration file with this text, and without files of the machine. */
export function configIn(folder: TempDir, text: string): string {
  writeFileSync(folder.at("c.toml"), `server.include = ""\n${text}`);
  return folder.at("c.toml");
}
