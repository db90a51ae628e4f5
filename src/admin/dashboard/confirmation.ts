import { type Action, perform } from "./actions.ts";
import { byId } from "./fields.ts";

/** So many results are shown at once. */
const MOST_RESULTS = 3;

/** Asks before anything is done, and says what came of it. */
export class Confirmation {
  readonly #dialog = byId<HTMLDialogElement>("confirmation");
  readonly #results = byId("results");
  #action: Action | undefined;

  constructor() {
    byId("cancel").addEventListener("click", () => this.#dialog.close());
    byId("confirm").addEventListener("click", () => {
      const action = this.#action;
      this.#dialog.close();
      if (action) void this.#perform(action);
    });
    this.#dialog.addEventListener("close", () => {
      this.#action = undefined;
    });
  }

  /** A button that asks for an action: the one that it stands for when it is pressed. */
  button(label: string, name: string, action: () => Action | undefined): HTMLButtonElement {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.setAttribute("aria-label", name);
    button.addEventListener("click", () => {
      const asked = action();
      if (asked) this.#ask(asked);
    });
    return button;
  }

  #ask(action: Action): void {
    this.#action = action;
    byId("confirmation-title").textContent = action.title;
    byId("confirmation-text").textContent = action.text;
    byId("confirm").textContent = action.label;
    this.#dialog.showModal();
  }

  async #perform(action: Action): Promise<void> {
    const line = this.#show(`${action.label}: …`);
    const { isDone, message } = await perform(action);
    line.firstChild?.replaceWith(`${action.label}: ${message}`);
    line.className = isDone ? "done" : "failed";
  }

  #show(text: string): HTMLElement {
    const line = document.createElement("p");
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "×";
    close.setAttribute("aria-label", "Dismiss");
    close.addEventListener("click", () => line.remove());
    line.append(text, close);
    this.#results.append(line);
    while (this.#results.children.length > MOST_RESULTS) this.#results.firstElementChild?.remove();
    return line;
  }
}
