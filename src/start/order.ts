import type { ErrorCode, Fault } from "../base/errors.ts";
import type { ToolName } from "./chain.ts";
import type { Program } from "./program.ts";

/** A start that takes longer has failed. */
export const START_DEADLINE_MS = 10_000;

/** A process that is to be started. */
export interface StartOrder {
  readonly program: Program;
  /** Descriptors that become its 0, 1 and 2; they are the starter's from now on. */
  readonly stdio: readonly [stdin: number, stdout: number, stderr: number];
  /** The variables of a CGI request, "NAME=value", a character a byte; undefined with FastCGI. What is configured goes before them. */
  readonly request?: readonly string[] | undefined;
  /** Marks it as a child of this daemon; nobody else sets it. */
  readonly instance: string;
}

/** What a starter's thread is asked for, of a program. */
export type StarterRequest =
  /** `umask` is the daemon's own, for programs without one of theirs: a thread that asked for it could find one that holds for a moment. */
  | {
      readonly kind: "start";
      readonly id: number;
      readonly order: Omit<StartOrder, "program">;
      readonly umask: number;
    }
  /** Why executing it failed with this errno. */
  | { readonly kind: "explain"; readonly id: number; readonly errno: string };

/** As it crosses threads: a line of JSON each. The program's is made once, and the thread knows it again. */
export function requestText(programText: string, request: StarterRequest): string {
  return `${programText}\n${JSON.stringify(request)}`;
}

/** What `requestText` has made. */
export function readRequest(text: string): [programText: string, request: StarterRequest] {
  const at = text.indexOf("\n");
  return [text.slice(0, at), JSON.parse(text.slice(at + 1)) as StarterRequest];
}

/** What a starter's thread says. */
export type StarterReply =
  | {
      readonly kind: "started";
      readonly id: number;
      readonly pid: number;
      readonly isBuns: boolean;
      /** Whom it runs as. */
      readonly uid: number;
      /** The tools that execute the program, and may say on its stderr that they have failed. */
      readonly tools: readonly ToolName[];
    }
  | { readonly kind: "failed"; readonly id: number; readonly failure: StartFailure }
  | { readonly kind: "explained"; readonly id: number; readonly why: string }
  /** Of a process that Bun waits for itself. */
  | { readonly kind: "exited"; readonly id: number; readonly ending: Ending };

/** An FpmError, as it crosses threads. */
export interface StartFailure {
  readonly code: ErrorCode;
  readonly fault: Fault;
  readonly message: string;
}

/** How a process ended: `code` or `signal`. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  /** CPU time that it and those that it has waited for have used, in milliseconds; undefined where Bun has waited for it. */
  readonly cpuMs?: number;
}
