import { FpmError } from "../base/errors.ts";
import { chainFailure } from "../start/chain.ts";
import { cannotStart, type Program } from "../start/program.ts";
import type { Starter } from "../start/starter.ts";
import type { Backend } from "./backend.ts";
import { describeExit, type Exit } from "./exit.ts";

/** What a shell and env(1) exit with when a command is missing. */
export const STATUS_NOT_FOUND = 127;
/** A program that daemonises itself has ended for whoever started it. */
const FOREGROUND = "it must stay in the foreground, without an option like --daemonize";
/** What a CGI program prints first (RFC 3875 §6.2). */
const CGI_HEADER = /^(?:content-type|status|location):/i;

/** Says in words why a process ended before it accepted a connection; waits for its last words. */
export async function explainBootFailure(backend: Backend, exit: Exit, starter: Starter): Promise<FpmError> {
  await backend.finished;
  const failure = await explainChainFailure(backend.program, backend.complaint, exit.code, starter);
  if (failure) return failure;
  if (exit.reason === "start timeout") {
    const what = `${backend.label} did not accept a connection within start_timeout`;
    return new FpmError("START_TIMEOUT", "backend", `${what}.${lastWords(backend)}`);
  }
  const what = `${backend.label} ${describeExit(exit)} before it accepted a connection`;
  const why = await bootFailureReason(backend, exit, starter);
  return new FpmError("BOOT_FAILED", "backend", `${what}${why && `: ${why}`}.${lastWords(backend)}`);
}

/** What a tool said that was to start a program and failed, in words; undefined: it was the program itself that ended. */
export async function explainChainFailure(
  program: Program,
  complaint: string,
  status: number | null,
  starter: Starter,
): Promise<FpmError | undefined> {
  const failure = chainFailure(complaint, status);
  if (!failure) return undefined;
  return cannotStart(program, failure.problem ?? (await starter.explain(program, failure.errno)));
}

/** Of a program that has ended and goes on in the background. */
export function backgroundProblem(pids: readonly number[]): string {
  return `it went on in the background (pid ${pids.join(", ")}, ended): ${FOREGROUND}`;
}

async function bootFailureReason(backend: Backend, exit: Exit, starter: Starter): Promise<string> {
  const leftBehind = await backend.leftBehind;
  if (leftBehind.length > 0) return backgroundProblem(leftBehind);
  if (CGI_HEADER.test(backend.firstStdout))
    return 'it spoke CGI on stdout: not a FastCGI program; set `protocol = "cgi"` for it';
  if (exit.code === 0) return `if it goes on in the background: ${FOREGROUND}`;
  if (exit.code !== STATUS_NOT_FOUND) return "";
  return await starter.explain(backend.program, "");
}

function lastWords({ lastStderr }: Backend): string {
  return lastStderr === "" ? "" : ` Its last line on stderr: ${lastStderr}`;
}
