import { escapeControls } from "../base/escape-controls.ts";
import type { Backend, Lease } from "./backend.ts";
import type { BackendDeps } from "./lent-backend.ts";
import { OutputLines } from "./output-lines.ts";

/** How lines are tagged that came in records of the protocol, and not on descriptor 2. */
const STREAM = "FCGI_STDERR";

/** The lines of the log that come of FCGI_STDERR records of one request: PHP's fatal errors, Perl's `warn`. */
export function errorRecordLines(lease: Lease, { log, naming, outputLimit }: BackendDeps): OutputLines {
  const { backend } = lease;
  return new OutputLines({
    wantsLine: () => outputLimit.take(backend.program),
    onDropped: (lines) => outputLimit.drop(backend.program, lines),
    onLine: (line) => {
      if (line === "") return;
      outputLimit.charge(backend.program, escapeControls(line).length);
      log.warn(line, { ...fieldsOf(lease, backend), ...named() });
    },
  });

  function named() {
    return lease.head && naming.fields(lease.head, lease.script, backend.program.name);
  }
}

function fieldsOf({ pid, head }: Lease, { program }: Backend) {
  return { program: program.name, pid, stream: STREAM, request: head?.label };
}
