import type { ProgramStatus } from "../../status/snapshot.ts";
import { countOf, formatBytes, formatSeconds, formatShare } from "../../status/units.ts";
import { programActions } from "./actions.ts";
import type { Confirmation } from "./confirmation.ts";
import { cloneTemplate, Fields } from "./fields.ts";
import type { History } from "./history.ts";
import { memoryOf } from "./numbers.ts";
import { MOST_ROWS, ProcessTable } from "./process-table.ts";
import { Stats } from "./stats.ts";

/** One program: what it is at, how it went, what went wrong last, its processes, and what can be done. */
export class ProgramCard {
  readonly element = cloneTemplate("program-template");
  readonly #fields = new Fields(this.element);
  readonly #stats = new Stats();
  readonly #processes: ProcessTable;
  readonly #details: HTMLDetailsElement;
  #program: ProgramStatus | undefined;

  /** `isOpen`: its processes are listed until somebody closes the list. */
  constructor(isOpen: boolean, confirmation: Confirmation | undefined) {
    this.#details = this.#fields.element("details") as HTMLDetailsElement;
    this.#details.open = isOpen;
    this.#details.addEventListener("toggle", () => this.#showProcesses());
    this.#fields.element("stats").append(this.#stats.element);
    this.#processes = new ProcessTable(this.#fields.element("rows"), confirmation);
    if (confirmation) this.#addActions(confirmation);
  }

  update(program: ProgramStatus, history: History): void {
    this.#program = program;
    const { name, is_gone, failed_in_a_row, next_start_seconds } = program;
    this.element.classList.toggle("gone", is_gone);
    this.#fields.text("name", name);
    this.#fields.text("settings", settingsOf(program));
    this.#stats.update(program, history, memoryOf(program));
    const starts = `${countOf(failed_in_a_row, "start")} failed in a row; the next one is tried in ${formatSeconds(next_start_seconds)}`;
    this.#fields.optional("starts", failed_in_a_row > 0 ? starts : undefined);
    this.#showError(program);
    this.#fields.optional("longest", longestOf(program));
    this.#showProcesses();
    this.#fields.element("actions").hidden = is_gone;
  }

  #addActions(confirmation: Confirmation): void {
    for (const label of ["Restart", "Drain"]) {
      const action = () =>
        this.#program && programActions(this.#program).find((each) => each.label === label);
      this.#fields.element("actions").append(confirmation.button(label, label, action));
    }
  }

  #showError({ last_error }: ProgramStatus): void {
    this.#fields.element("error").hidden = last_error === null;
    if (!last_error) return;
    this.#fields.text("error-code", last_error.code);
    this.#fields.text("error-age", `${formatSeconds(last_error.age_seconds)} ago`);
    this.#fields.text("error-message", last_error.message);
  }

  /** The rows only while they are seen. */
  #showProcesses(): void {
    const program = this.#program;
    if (!program) return;
    const { name, process_list = [] } = program;
    for (const button of this.#fields.element("actions").children)
      button.ariaLabel = `${button.textContent} ${name}`;
    this.#details.hidden = process_list.length === 0;
    this.#fields.text("summary", countOf(process_list.length, "process", "processes"));
    this.#fields.element("scroll").ariaLabel = `Processes of ${name}`;
    const leftOut = process_list.length - MOST_ROWS;
    const more = `${leftOut} more are not listed: std-fpm status --full shows all.`;
    this.#fields.optional("left-out", leftOut > 0 ? more : undefined);
    if (this.#details.open) this.#processes.update(program);
  }
}

function settingsOf({ settings, limit, learned, is_gone }: ProgramStatus): string {
  if (is_gone) return `${settings}; no processes any more`;
  const { service_seconds, boot_seconds, cpu_share, memory_bytes } = learned;
  const parts = [settings];
  if (limit !== null) parts.push(`at most ${countOf(limit, "process", "processes")}`);
  if (service_seconds !== null) parts.push(`${formatSeconds(service_seconds)} a request`);
  if (boot_seconds !== null) parts.push(`${formatSeconds(boot_seconds)} to start`);
  if (cpu_share !== null) parts.push(`${formatShare(cpu_share)} of a core at work`);
  if (memory_bytes !== null) parts.push(`${formatBytes(memory_bytes)} a process`);
  return parts.join(", ");
}

/** The request that is at work for the longest time. */
function longestOf({ process_list = [] }: ProgramStatus): string | undefined {
  const requests = process_list.flatMap((process) => process.requests);
  const [first, ...others] = requests;
  if (!first) return undefined;
  const oldest = others.reduce((old, each) => (each.age_seconds > old.age_seconds ? each : old), first);
  return `At work for the longest time, ${formatSeconds(oldest.age_seconds)}: ${oldest.method} ${oldest.uri}`;
}
