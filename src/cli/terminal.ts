import { fstatSync, writeSync } from "node:fs";
import { wantsColours } from "../base/colours.ts";
import { errnoOf, FpmError, messageOf } from "../base/errors.ts";
import { identityOf } from "../base/file-identity.ts";
import type { LogReader } from "../base/log.ts";

/** Where a command writes. */
export interface Terminal {
  /** Writes what was asked for; resolves when it may go on, and rejects with EPIPE when nobody reads any more. */
  out(content: string | Uint8Array): Promise<void>;
  /** Writes a line or more about the work; never throws. */
  err(text: string): void;
  /** Whether a person reads what `out` writes. */
  readonly isOutTerminal: boolean;
  /** Who reads what `err` writes. */
  readonly errReader: LogReader;
  /** Whether whoever reads wants colours where lines go to a terminal. */
  readonly wantsColours: boolean;
  /** Whether the command is run by root. */
  readonly isRoot: boolean;
}

/** The process's own descriptors 1 and 2. */
export function processTerminal(): Terminal {
  const writer = Bun.stdout.writer();
  return {
    async out(content) {
      try {
        await writer.write(content);
        await writer.flush();
      } catch (thrown) {
        // A reader who has gone is nobody's fault.
        if (errnoOf(thrown) === "EPIPE") throw thrown;
        throw new FpmError(
          "SYSTEM_CALL",
          "daemon",
          `standard output cannot be written: ${messageOf(thrown)}`,
        );
      }
    },
    err: writeErr,
    isOutTerminal: process.stdout.isTTY === true,
    wantsColours: wantsColours(process.env),
    errReader: readerOfErr(process.env["JOURNAL_STREAM"]),
    isRoot: process.geteuid?.() === 0,
  };
}

/** At once, so that nothing is lost when the process ends next; what nobody takes is dropped. */
function writeErr(text: string): void {
  const bytes = Buffer.from(text);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(2, bytes, at);
  } catch (thrown) {
    if (errnoOf(thrown) === "") throw thrown;
  }
}

/** `journalStream` names the journal's socket, which need not be descriptor 2 of this very process (systemd.exec(5)). */
function readerOfErr(journalStream: string | undefined): LogReader {
  if (process.stderr.isTTY === true) return "terminal";
  if (journalStream === undefined) return "other";
  return journalStream === identityOf(fstatSync(2, { bigint: true })) ? "journal" : "other";
}
