import type { ProgramStatus, Snapshot } from "../../status/snapshot.ts";
import { arrange, Keyed } from "./arrange.ts";
import type { Confirmation } from "./confirmation.ts";
import { byId, setText } from "./fields.ts";
import { History } from "./history.ts";
import { memoryOf } from "./numbers.ts";
import { ProgramCard } from "./program-card.ts";

/** So many programs are shown, and so many more each time that more are asked for: what changes each second is bounded. */
const SHOWN = 48;
/** With so few programs their processes are listed at once. */
const FEW = 4;

/** Every program by its name, those without processes at the end. */
export class ProgramList {
  readonly #list = byId("programs");
  readonly #filter = byId<HTMLInputElement>("filter");
  readonly #more = byId<HTMLButtonElement>("more");
  readonly #cards: Keyed<ProgramCard>;
  #histories = new Map<string, History>();
  #programs: readonly ProgramStatus[] = [];
  #most = SHOWN;

  constructor(confirmation: Confirmation | undefined) {
    this.#cards = new Keyed(() => new ProgramCard(this.#programs.length <= FEW, confirmation));
    this.#filter.addEventListener("input", () => {
      this.#most = SHOWN;
      this.render();
    });
    this.#more.addEventListener("click", () => {
      this.#most += SHOWN;
      this.render();
    });
  }

  /** Takes in what an event says, also while nobody looks. */
  add({ programs, uptime_seconds }: Snapshot): void {
    this.#programs = [...programs].sort(inOrder);
    const before = this.#histories;
    this.#histories = new Map();
    for (const program of programs) {
      const history = before.get(keyOf(program)) ?? new History();
      history.add(uptime_seconds, program, memoryOf(program));
      this.#histories.set(keyOf(program), history);
    }
  }

  render(): void {
    const wanted = this.#filter.value.trim().toLowerCase();
    const found = this.#programs.filter(({ name }) => name.toLowerCase().includes(wanted));
    const shown = found.slice(0, this.#most);
    const cards = this.#cards.round(shown.map(keyOf));
    for (const [index, program] of shown.entries())
      cards[index]?.update(program, this.#histories.get(keyOf(program)) ?? new History());
    arrange(
      this.#list,
      cards.map(({ element }) => element),
    );
    setText(byId("shown"), `${shown.length} of ${this.#programs.length} shown`);
    this.#more.hidden = shown.length === found.length;
  }
}

function keyOf({ name, settings }: ProgramStatus): string {
  return `${name}\n${settings}`;
}

function inOrder(a: ProgramStatus, b: ProgramStatus): number {
  const [one, other] = [keyOf(a), keyOf(b)];
  return Number(a.is_gone) - Number(b.is_gone) || (one < other ? -1 : one > other ? 1 : 0);
}
