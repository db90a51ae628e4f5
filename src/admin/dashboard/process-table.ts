import type { ProcessStatus, ProgramStatus } from "../../status/snapshot.ts";
import { formatBytes, formatSeconds } from "../../status/units.ts";
import { killAction } from "./actions.ts";
import { arrange, Keyed } from "./arrange.ts";
import type { Confirmation } from "./confirmation.ts";
import { cloneTemplate, Fields } from "./fields.ts";

/** States that people read under another name. */
const STATE_WORDS: Readonly<Record<string, string>> = { retiring: "leaving", on_its_own: "on its own" };

/** So many processes of a program have a row. */
export const MOST_ROWS = 100;

/** The processes of one program, a row each. */
export class ProcessTable {
  readonly #body: HTMLElement;
  readonly #rows: Keyed<ProcessRow>;

  /** Without a confirmation there is nothing to press. */
  constructor(body: HTMLElement, confirmation: Confirmation | undefined) {
    this.#body = body;
    this.#rows = new Keyed(() => new ProcessRow(confirmation));
  }

  update(program: ProgramStatus): void {
    const processes = (program.process_list ?? []).slice(0, MOST_ROWS);
    const rows = this.#rows.round(processes.map(({ pid }) => String(pid)));
    for (const [index, process] of processes.entries()) rows[index]?.update(process, program);
    arrange(
      this.#body,
      rows.map(({ element }) => element),
    );
  }
}

class ProcessRow {
  readonly element = cloneTemplate("process-template");
  readonly #fields = new Fields(this.element);
  readonly #kill: HTMLButtonElement | undefined;
  #shown: { readonly process: ProcessStatus; readonly program: ProgramStatus } | undefined;

  constructor(confirmation: Confirmation | undefined) {
    if (!confirmation) return;
    const action = () => this.#shown && killAction(this.#shown.process, this.#shown.program);
    this.#kill = confirmation.button("Kill", "Kill", action);
    this.#fields.element("actions").append(this.#kill);
  }

  update(process: ProcessStatus, program: ProgramStatus): void {
    this.#shown = { process, program };
    const { pid, state, age_seconds, served, cpu_seconds, memory_bytes, requests } = process;
    this.element.className = state;
    this.#fields.text("pid", pid === 0 ? "-" : String(pid));
    this.#fields.text("state", STATE_WORDS[state] ?? state);
    this.#fields.text("age", formatSeconds(age_seconds));
    this.#fields.text("served", String(served));
    this.#fields.text("cpu", formatSeconds(cpu_seconds));
    this.#fields.text("memory", formatBytes(memory_bytes));
    this.#fields.text(
      "work",
      requests.map((each) => `${each.method} ${each.uri} for ${formatSeconds(each.age_seconds)}`).join(", "),
    );
    if (!this.#kill) return;
    // A place for CGI processes, without one.
    this.#kill.hidden = pid === 0;
    this.#kill.ariaLabel = `Kill process ${pid} of ${program.name}`;
  }
}
