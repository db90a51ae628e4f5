import { processesOf } from "../../status/activity.ts";
import { formatBytes, formatSeconds } from "../../status/units.ts";
import type { Confirmation } from "./confirmation.ts";
import { cloneTemplate, Fields, setAttribute } from "./fields.ts";
import { REMEMBERED } from "./history.ts";
import { formatRate, memoryOf } from "./numbers.ts";
import { ProgramCard } from "./program-card.ts";
import { highest, sparkPath } from "./sparkline.ts";
import type { Judged } from "./trouble.ts";

/** One program in a line of the table, and all that is known of it below when it is opened. */
export class ProgramRow {
  readonly element = cloneTemplate("row-template");
  readonly #fields = new Fields(this.element);
  readonly #confirmation: Confirmation | undefined;
  /** Made when it is opened first. */
  #card: ProgramCard | undefined;
  #isOpen = false;
  #judged: Judged | undefined;

  /** `isOpen`: all is shown until somebody closes it. */
  constructor(isOpen: boolean, confirmation: Confirmation | undefined) {
    this.#confirmation = confirmation;
    this.#fields.element("open").addEventListener("click", () => this.open(!this.#isOpen));
    this.open(isOpen);
  }

  /** Shows, or hides, all that is known of it. */
  open(isOpen: boolean): void {
    this.#isOpen = isOpen;
    this.#fields.element("open").ariaExpanded = String(isOpen);
    this.#fields.element("opened").hidden = !isOpen;
    if (isOpen && !this.#card) {
      // Who opens it wants to see its processes.
      this.#card = new ProgramCard(true, this.#confirmation);
      this.#fields.element("card").append(this.#card.element);
    }
    this.#showCard();
  }

  update(judged: Judged): void {
    this.#judged = judged;
    const { program, history, state } = judged;
    const { recent } = history;
    this.element.className = state;
    this.element.classList.toggle("gone", program.is_gone);
    this.#fields.text("state", state);
    this.#fields.text("open", program.name);
    this.#fields.text("row-rate", formatRate(history.last?.requestsPerSecond));
    const failed = recent.failures + recent.serverErrors;
    this.#fields.text("row-failed", String(failed));
    this.#fields.element("row-failed").classList.toggle("bad", failed > 0);
    this.#fields.text("row-waiting", waitingOf(judged));
    this.#showProcesses(judged);
    this.#fields.text("row-p50", formatSeconds(recent.p50Seconds));
    this.#fields.text("row-p99", formatSeconds(recent.p99Seconds));
    this.#fields.text("row-memory", formatBytes(memoryOf(program)));
    this.#drawRate(judged);
    this.#showCard();
  }

  #showCard(): void {
    if (this.#judged && this.#isOpen) this.#card?.update(this.#judged.program, this.#judged.history);
  }

  #showProcesses({ program }: Judged): void {
    const { processes, limit } = program;
    const [busy, all] = [processes.busy + processes.on_its_own, processesOf(program)];
    this.#fields.text("row-busy", `${busy} of ${all}${limit === null ? "" : `, limit ${limit}`}`);
    const parts = { busy, idle: all - busy, room: Math.max(0, (limit ?? all) - all) };
    for (const [part, share] of Object.entries(parts))
      this.#fields.element(`meter-${part}`).style.flexGrow = String(share);
  }

  #drawRate({ history, program }: Judged): void {
    const rates = history.points.map(({ requestsPerSecond }) => requestsPerSecond);
    const top = highest(rates);
    const svg = this.#fields.svg("row-spark");
    if (svg.firstElementChild) setAttribute(svg.firstElementChild, "d", sparkPath(rates, top, REMEMBERED));
    setAttribute(svg, "aria-label", `Requests a second of ${program.name}: up to ${formatRate(top)}`);
    this.#fields.text("row-scale", top > 0 ? `≤ ${formatRate(top)}/s` : "");
  }
}

function waitingOf({ program }: Judged): string {
  const { queue_length, queue_oldest_seconds } = program;
  return queue_length === 0 ? "0" : `${queue_length}, for ${formatSeconds(queue_oldest_seconds)}`;
}
