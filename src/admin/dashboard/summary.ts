import { processesOf } from "../../status/activity.ts";
import type { Snapshot } from "../../status/snapshot.ts";
import { formatBytes, formatCores, formatSeconds } from "../../status/units.ts";
import { daemonActions } from "./actions.ts";
import type { Confirmation } from "./confirmation.ts";
import { byId, Fields, setText } from "./fields.ts";
import { History } from "./history.ts";
import { totalMemory } from "./numbers.ts";
import { Stats } from "./stats.ts";

/** The daemon, and all its programs together. */
export class Summary {
  readonly #fields = new Fields(byId("facts"));
  readonly #stats = new Stats();
  readonly #history = new History();
  readonly #confirmation: Confirmation | undefined;
  #snapshot: Snapshot | undefined;

  constructor(confirmation: Confirmation | undefined) {
    this.#confirmation = confirmation;
    byId("total").append(this.#stats.element);
  }

  /** Takes in what an event says, also while nobody looks. */
  add(snapshot: Snapshot): void {
    if (!this.#snapshot && this.#confirmation) this.#addActions(snapshot, this.#confirmation);
    this.#snapshot = snapshot;
    this.#history.add(snapshot.uptime_seconds, snapshot.total, totalMemory(snapshot));
  }

  /** `troubled`: how many programs are in trouble; whoever has many pages open sees it in the title. */
  render(troubled: number): void {
    const snapshot = this.#snapshot;
    if (!snapshot) return;
    const { version, hostname, state, pid, total, cores } = snapshot;
    setText(byId("version"), version);
    setText(byId("hostname"), hostname);
    document.title = `${troubled > 0 ? `(${troubled}) ` : ""}${hostname}: std-fpm`;
    this.#fields.text("state", state);
    this.#fields.element("state").className = state;
    this.#fields.text("pid", String(pid));
    this.#fields.text("uptime", formatSeconds(snapshot.uptime_seconds));
    this.#fields.text("connections", String(snapshot.connections));
    this.#fields.text(
      "processes",
      `${processesOf(total)} of ${snapshot.max_processes}, on ${formatCores(cores)} cores`,
    );
    this.#fields.text("cpu", formatSeconds(snapshot.daemon_cpu_seconds));
    this.#fields.text("memory", formatBytes(snapshot.daemon_memory_bytes));
    this.#stats.update(total, this.#history, totalMemory(snapshot));
  }

  #addActions(first: Snapshot, confirmation: Confirmation): void {
    for (const { path, label, isGrave } of daemonActions(first)) {
      const section = byId(isGrave ? "grave-actions" : "daemon-actions");
      section.hidden = false;
      const action = () => this.#snapshot && daemonActions(this.#snapshot).find((each) => each.path === path);
      const button = confirmation.button(label, label, action);
      button.classList.toggle("grave", isGrave === true);
      section.append(button);
    }
  }
}
