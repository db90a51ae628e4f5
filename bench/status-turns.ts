import { systemClock } from "../src/base/clock.ts";
import { Turns } from "../src/base/turns.ts";
import { Tally } from "../src/pool/tally.ts";
import { StatusAnswers } from "../src/status/answers.ts";
import type { StatusSource } from "../src/status/collect.ts";
import { FORMS, type FormName } from "../src/status/forms.ts";
import { backendOf, programOf, sampleSource } from "../test/support/sample-snapshot.ts";
import { median } from "./median.ts";

/*
 * What an answer about the status costs, with every process where a form lists them, and how long the event loop is held up by it: `make bench-status`.
 * No program runs, so that looks at processes cost nothing here.
 */

const PROGRAMS = Number(process.argv[2] ?? 400);
const ROUNDS = 15;

/** Programs that have answered, with two processes each. */
function sourceOf(count: number): StatusSource {
  const sample = sampleSource();
  const [first] = sample.pools;
  if (!first) throw new Error("the sample has no program");
  const pools = Array.from({ length: count }, (_, at) => {
    const tally = new Tally();
    for (let request = 0; request < 20; request++)
      tally.onOutcome({ kind: "answered", appStatus: 0, protocolStatus: 0, status: 200 }, request * at, 9000);
    const backends = [backendOf("free", 1000 + at), backendOf("lent", 5000 + at, "/shop/cart")];
    return { ...first, program: programOf(`/srv/www/customer-${at}/index.fcgi`), tally, backends };
  });
  return { ...sample, pools };
}

/** How long turns of the event loop take until `stop`. */
function watchTurns(): { stop(): number[] } {
  const took: number[] = [];
  let [isOver, since] = [false, performance.now()];
  const onTurn = () => {
    const now = performance.now();
    took.push(now - since);
    since = now;
    if (!isOver) setImmediate(onTurn);
  };
  setImmediate(onTurn);
  return {
    stop() {
      isOver = true;
      return took;
    },
  };
}

const source = sourceOf(PROGRAMS);
const answers = new StatusAnswers(() => source, new Turns(systemClock));
process.stdout.write(`${PROGRAMS} programs\n`);
for (const form of Object.keys(FORMS) as FormName[]) {
  const [whole, longest]: [number[], number[]] = [[], []];
  let bytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await Bun.sleep(20);
    const turns = watchTurns();
    const startedAt = performance.now();
    const pieces = await answers.answer(form, true);
    whole.push(performance.now() - startedAt);
    await Bun.sleep(1);
    longest.push(Math.max(...turns.stop()));
    bytes = pieces.reduce((sum, { length }) => sum + length, 0);
  }
  const ms = (times: number[]) => median(times).toFixed(1).padStart(6);
  process.stdout.write(
    `${form.padEnd(12)}${(bytes / 1e6).toFixed(2).padStart(6)} MB${ms(whole)} ms, longest turn${ms(longest)} ms\n`,
  );
}
