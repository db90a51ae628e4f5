import { collecting, type StatusSource } from "../../src/status/collect.ts";
import type { Snapshot } from "../../src/status/snapshot.ts";

/** The snapshot, without a pause. */
export function collect(source: StatusSource, isFull: boolean): Snapshot {
  const steps = collecting(source, isFull);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
