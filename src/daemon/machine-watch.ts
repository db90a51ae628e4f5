import type { Clock, Timer } from "../base/clock.ts";
import type { MachineFacts, MachineLook } from "./machine-look.ts";

/** A limit that an operator has changed is known within a minute. */
const LOOK_MS = 30_000;

/** What the machine and the control groups allow, looked at now and then. */
export class MachineWatch {
  readonly #machine: Pick<MachineLook, "look">;
  readonly #clock: Clock;
  #facts: MachineFacts;
  #looking: Timer | undefined;

  constructor(machine: Pick<MachineLook, "look">, clock: Clock) {
    this.#machine = machine;
    this.#clock = clock;
    this.#facts = machine.look();
  }

  /** As it was at the last look. */
  get facts(): MachineFacts {
    return this.#facts;
  }

  /** Calls `onChange` whenever something is another than before, until closed. */
  watch(onChange: () => void): void {
    this.#looking = this.#clock.every(LOOK_MS, () => {
      const before = this.#facts;
      this.#facts = this.#machine.look();
      if (!isSame(before, this.#facts)) onChange();
    });
  }

  close(): void {
    this.#looking?.cancel();
  }
}

function isSame(one: MachineFacts, other: MachineFacts): boolean {
  return (["cores", "memoryBytes", "tasks"] as const).every(
    (key) => one[key]?.value === other[key]?.value && one[key]?.from === other[key]?.from,
  );
}
