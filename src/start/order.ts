import type { ErrorCode, Fault } from "../base/errors.ts";
import type { Program } from "./program.ts";

/** A process that is to be started. */
export interface StartOrder {
  readonly program: Program;
  /** Descriptors that become its 0, 1 and 2; they stay the sender's. */
  readonly stdio: readonly [stdin: number, stdout: number, stderr: number];
  /** The variables of a CGI request, "NAME=value", a character a byte; undefined with FastCGI. What is configured goes before them. */
  readonly request?: readonly string[] | undefined;
  /** Marks it as a child of this daemon; nobody else sets it. */
  readonly instance: string;
}

/** What a starter's thread is asked for. Programs cross as JSON, in a text that is made once: the thread knows it again. */
export type StarterRequest =
  | {
      readonly kind: "start";
      readonly id: number;
      readonly program: string;
      readonly order: Omit<StartOrder, "program">;
    }
  /** Why executing a program failed with this errno. */
  | { readonly kind: "explain"; readonly id: number; readonly program: string; readonly errno: string };

/** What a starter's thread says. */
export type StarterReply =
  | {
      readonly kind: "started";
      readonly id: number;
      readonly pid: number;
      readonly isBuns: boolean;
      /** Whom it runs as. */
      readonly uid: number;
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

/** How a process ended: one of both. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}
