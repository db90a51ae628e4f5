import { Troubles } from "../admin/dashboard/trouble.ts";
import { FpmError } from "../base/errors.ts";
import type { AdminClient } from "./admin-client.ts";
import { EXIT_OK } from "./command.ts";
import { Screen } from "./screen.ts";
import { SORTS, type SortKey } from "./watch-programs.ts";
import { DETAILS, renderWatch, type Seen, type View } from "./watch-view.ts";

const EVERY_MS = 1000;
const CTRL_C = "\x03";
const CTRL_Z = "\x1a";
const ENDING = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Shows the status on a terminal, live, until a person has seen enough. Returns the exit status. */
export async function watch(client: AdminClient, wantsColours = true): Promise<number> {
  return await new Watch(client, wantsColours).run();
}

class Watch {
  readonly #client: AdminClient;
  readonly #screen: Screen;
  readonly #troubles = new Troubles();
  readonly #ended = Promise.withResolvers<number>();
  #next: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;
  #seen: Seen = { now: undefined, before: undefined, trouble: undefined };
  #view: View = { sort: "x", detail: "requests" };

  constructor(client: AdminClient, wantsColours: boolean) {
    this.#client = client;
    const listener = { onKey: (key: string) => this.#onKey(key), onResize: () => this.#draw() };
    this.#screen = new Screen(listener, wantsColours);
  }

  async run(): Promise<number> {
    const onSignal = (signal: keyof typeof ENDING) => this.#ended.resolve(ENDING[signal]);
    const onContinue = () => this.#onContinue();
    const signals = Object.keys(ENDING) as (keyof typeof ENDING)[];
    for (const signal of signals) process.on(signal, onSignal);
    process.on("SIGCONT", onContinue);
    this.#screen.enter();
    try {
      void this.#look();
      return await this.#ended.promise;
    } finally {
      this.#isOver = true;
      clearTimeout(this.#next);
      this.#screen.leave();
      for (const signal of signals) process.off(signal, onSignal);
      process.off("SIGCONT", onContinue);
    }
  }

  /** A daemon that ends or hands over is waited for: that is when people watch. */
  async #look(): Promise<void> {
    try {
      const now = await this.#client.snapshot(true);
      const last = this.#seen.now;
      // Another process counts from 0.
      const before = last?.pid === now.pid ? last : undefined;
      this.#troubles.add(now);
      this.#seen = { now, before, trouble: undefined, judged: this.#troubles.judged };
    } catch (thrown) {
      if (!(thrown instanceof FpmError)) this.#ended.reject(thrown);
      else this.#seen = { ...this.#seen, trouble: thrown.message };
    }
    this.#draw();
    if (!this.#isOver) this.#next = setTimeout(() => void this.#look(), EVERY_MS);
  }

  #draw(): void {
    this.#screen.draw(renderWatch(this.#seen, this.#view, this.#screen.size));
  }

  #onKey(key: string): void {
    if (key === "q" || key === "Q" || key === CTRL_C) this.#ended.resolve(EXIT_OK);
    else if (key === CTRL_Z) this.#suspend();
    else if (Object.hasOwn(SORTS, key)) this.#view = { ...this.#view, sort: key as SortKey };
    else if (key === "\t") {
      const next = (DETAILS.indexOf(this.#view.detail) + 1) % DETAILS.length;
      this.#view = { ...this.#view, detail: DETAILS[next] ?? "requests" };
    }
    this.#draw();
  }

  /** As programs that take their keys from the kernel do: SIGCONT goes on. */
  #suspend(): void {
    this.#screen.leave();
    process.kill(0, "SIGTSTP");
  }

  /** Whoever had the terminal meanwhile may have left it in any state. */
  #onContinue(): void {
    this.#screen.leave();
    this.#screen.enter();
    this.#draw();
  }
}
