import { describe, expect, test } from "bun:test";
import type { Clock } from "../../src/base/clock.ts";
import { Turns } from "../../src/base/turns.ts";
import { Tally } from "../../src/pool/tally.ts";
import { type Pieces, StatusAnswers } from "../../src/status/answers.ts";
import { collecting, type StatusSource } from "../../src/status/collect.ts";
import { FORMS, type FormName } from "../../src/status/forms.ts";
import type { Snapshot } from "../../src/status/snapshot.ts";
import { collect } from "../support/collect.ts";
import { programOf, sampleSource } from "../support/sample-snapshot.ts";

const FORM_NAMES = Object.keys(FORMS) as FormName[];
const PROGRAMS = 50;

/** Many programs like the first one of the sample. */
function manySource(count = PROGRAMS): StatusSource & ReturnType<typeof sampleSource> {
  const sample = sampleSource();
  const [first, ...others] = sample.pools;
  if (!first) throw new Error("the sample has no program");
  const pools = Array.from({ length: count }, (_, at) => {
    const tally = new Tally();
    tally.add(first.tally);
    return { ...first, program: programOf(`/srv/${at}.fcgi`), tally };
  });
  return { ...sample, pools: [...pools, ...others] };
}

const textOf = (pieces: Pieces) => Buffer.concat([...pieces]).toString();

/** An event loop whose turns a test lets come; each look at the clock is 1 ms. */
function world(source = manySource()) {
  const due: (() => void)[] = [];
  let now = 0;
  let sources = 0;
  const clock = { now: () => now++, soon: (fire: () => void) => void due.push(fire) } as unknown as Clock;
  const counted = () => {
    sources++;
    return source;
  };
  const answers = new StatusAnswers(counted, new Turns(clock));
  const goOn = () => {
    let turns = 0;
    for (; due.length > 0; turns++) for (const fire of due.splice(0)) fire();
    return turns;
  };
  return { answers, goOn, begun: () => sources };
}

describe("an answer about the status", () => {
  test.each(FORM_NAMES)("is made in turns and is what it would be in one: %s", async (form) => {
    const { answers, goOn } = world();
    const answer = answers.answer(form, true);
    expect(goOn()).toBeGreaterThan(PROGRAMS / 2);
    const snapshot = collect(manySource(), true);
    expect(textOf(await answer)).toBe([...FORMS[form].pieces(snapshot)].join(""));
  });

  test("in JSON is the snapshot", async () => {
    const { answers, goOn } = world();
    const answer = answers.answer("json", false);
    goOn();
    expect(textOf(await answer)).toBe(JSON.stringify(collect(manySource(), false)));
  });

  test("is made once for all who ask before it is begun, and not for who asks later", async () => {
    const { answers, goOn, begun } = world();
    const underWay = answers.answer("json", true);
    const [one, two, other] = [
      answers.answer("json", true),
      answers.answer("json", true),
      answers.answer("json", false),
    ];
    expect(begun()).toBe(1);
    goOn();
    expect(begun()).toBe(3);
    expect(one).toBe(two);
    expect([one === underWay, one === other]).toEqual([false, false]);
    await Promise.all([underWay, one, other]);
  });
});

describe("a step of an answer", () => {
  test.each(FORM_NAMES)("is small, however many programs there are: %s", (form) => {
    const snapshot = collect(manySource(500), true);
    const longest = Math.max(...[...FORMS[form].pieces(snapshot)].map(({ length }) => length));
    expect(longest).toBeLessThan(32 * 1024);
  });

  test("is a program: what happens between two of them is in the total as it is in the rows", () => {
    const source = manySource();
    const steps = collecting(source, true);
    let [answered, result] = [0, steps.next()];
    for (; !result.done; result = steps.next()) {
      for (const tally of [...[...source.pools].map((pool) => pool.tally), source.others])
        tally.outcomes.answered++;
      answered++;
    }
    expect(answered).toBeGreaterThan(PROGRAMS);
    expectAgreement(result.value);
  });
});

function expectAgreement({ total, others, programs }: Snapshot): void {
  const sum = (read: (numbers: Snapshot["total"]) => number) =>
    programs.reduce((sum, program) => sum + read(program), 0);
  expect(total.requests.answered).toBe(sum(({ requests }) => requests.answered) + others.requests.answered);
  expect(total.started).toBe(sum(({ started }) => started));
  expect(total.in_flight).toBe(sum(({ in_flight }) => in_flight));
  expect(total.queue_length).toBe(sum(({ queue_length }) => queue_length));
  expect(total.processes.busy).toBe(sum(({ processes }) => processes.busy));
}
