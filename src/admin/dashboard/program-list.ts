import { formatSeconds } from "../../status/units.ts";
import { arrange, Keyed } from "./arrange.ts";
import type { Confirmation } from "./confirmation.ts";
import { byId, cloneTemplate, Fields, setText } from "./fields.ts";
import { ProgramRow } from "./program-row.ts";
import { Sorting } from "./sorting.ts";
import type { Judged, Troubles } from "./trouble.ts";

/** So many programs have a line, and so many more each time that more are asked for: what changes each second is bounded. */
const SHOWN = 200;
/** With so few programs all that is known of them is shown at once. */
const FEW = 4;
/** So many of those in trouble are named at the top. */
const NAMED = 5;

/** Every program in a line, those in trouble first; and at the top which these are, since when, and why. */
export class ProgramList {
  readonly #table = byId("programs");
  readonly #filter = byId<HTMLInputElement>("filter");
  readonly #more = byId<HTMLButtonElement>("more");
  readonly #sorting = new Sorting(this.#table, () => this.render());
  readonly #troubles: Troubles;
  readonly #rows: Keyed<ProgramRow>;
  readonly #lines = new Keyed(() => new TroubleLine((key) => this.#goTo(key)));
  #most = SHOWN;

  constructor(troubles: Troubles, confirmation: Confirmation | undefined) {
    this.#troubles = troubles;
    this.#rows = new Keyed(() => new ProgramRow(troubles.judged.length <= FEW, confirmation));
    this.#filter.addEventListener("input", () => {
      this.#most = SHOWN;
      this.render();
    });
    this.#more.addEventListener("click", () => {
      this.#most += SHOWN;
      this.render();
    });
  }

  render(): void {
    const { judged } = this.#troubles;
    const wanted = this.#filter.value.trim().toLowerCase();
    const found = judged.filter(({ program }) => program.name.toLowerCase().includes(wanted));
    const shown = this.#sorting.sorted(found).slice(0, this.#most);
    const rows = this.#rows.round(shown.map(({ key }) => key));
    for (const [index, each] of shown.entries()) rows[index]?.update(each);
    const head = this.#table.querySelector("thead") as HTMLElement;
    arrange(this.#table, [head, ...rows.map(({ element }) => element)]);
    setText(byId("shown"), `${shown.length} of ${judged.length} shown`);
    this.#more.hidden = shown.length === found.length;
    this.#showTrouble();
  }

  #showTrouble(): void {
    const all = this.#troubles.inTrouble;
    byId("trouble").className = all[0]?.state ?? "well";
    setText(byId("trouble-count"), titleOf(all.length));
    const named = all.slice(0, NAMED);
    const lines = this.#lines.round(named.map(({ key }) => key));
    for (const [index, each] of named.entries()) lines[index]?.update(each);
    arrange(
      byId("troubles"),
      lines.map(({ element }) => element),
    );
    const more = byId("more-trouble");
    more.hidden = all.length <= NAMED;
    setText(more, `and ${all.length - NAMED} more, below`);
  }

  /** Shows all of a program, whatever the filter hides. */
  #goTo(key: string): void {
    this.#filter.value = "";
    this.render();
    const row = this.#rows.find(key);
    row?.open(true);
    row?.element.scrollIntoView({ block: "start" });
  }
}

/** A program in trouble: which, since when, why. */
class TroubleLine {
  readonly element = cloneTemplate("trouble-template");
  readonly #fields = new Fields(this.element);
  #key = "";

  constructor(onPress: (key: string) => void) {
    this.#fields.element("name").addEventListener("click", () => onPress(this.#key));
  }

  update({ key, program, state, reason, forSeconds }: Judged): void {
    this.#key = key;
    this.element.className = state;
    this.#fields.text("state", state);
    this.#fields.text("name", program.name);
    this.#fields.text("since", forSeconds >= 1 ? `for ${formatSeconds(forSeconds)}` : "just now");
    this.#fields.text("reason", reason);
  }
}

function titleOf(count: number): string {
  if (count === 0) return "No program is in trouble";
  return count === 1 ? "1 program is in trouble" : `${count} programs are in trouble`;
}
