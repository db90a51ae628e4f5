import type { Pieces } from "../status/answers.ts";
import type { FormName } from "../status/forms.ts";

/** What came of an action, for the person who asked for it. */
export interface ActionResult {
  readonly isDone: boolean;
  /** What happened, or why it did not. */
  readonly message: string;
  /** The daemon whose end is still to come, with `stop`. */
  readonly pid?: number;
}

/** What the admin server shows and does. */
export interface Control {
  /** The status in this form; with `isFull` every process is listed. */
  status(form: FormName, isFull: boolean): Promise<Pieces>;
  /** Why no requests should be sent here; undefined: they should. */
  readonly unreadiness: string | undefined;
  reload(): Promise<ActionResult>;
  /** Begins to stop; `pid` has ended when it is over. */
  stop(): Promise<ActionResult>;
  upgrade(): Promise<ActionResult>;
  reopenLogs(): Promise<ActionResult>;
  /** New processes take the place of a program's, without losing a request. */
  restart(program: string): Promise<ActionResult>;
  /** A program's processes end when they are free. */
  drain(program: string): Promise<ActionResult>;
  /** Kills one process of ours. */
  kill(pid: number): Promise<ActionResult>;
}
