import { type KeyLines, lineOf } from "./key-lines.ts";
import type { ConfigFile } from "./schema.ts";

/** A file of the configuration that was read. */
export interface SourceFile {
  readonly path: string;
  readonly table: ConfigFile;
  readonly lines: KeyLines;
}

/** A problem with the place where the file has it: "/etc/x.toml:3: app.nice: …". */
export function place(source: SourceFile, path: string, reason: string): string {
  const line = lineOf(source.lines, path);
  return `${source.path}${line === undefined ? "" : `:${line}`}: ${path}: ${reason}`;
}
