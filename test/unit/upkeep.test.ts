import { expect, test } from "bun:test";
import { FpmError } from "../../src/base/errors.ts";
import { createLog } from "../../src/base/log.ts";
import { type Kept, Upkeep } from "../../src/daemon/upkeep.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** Something that a test removes, and that can be made again unless `refusal` says why not. */
function start(isOurs = true, more: Pick<Kept, "loss"> = {}) {
  const lines: string[] = [];
  const clock = new FakeClock();
  const log = createLog({
    level: "info",
    format: "plain",
    write: (line) => void lines.push(line),
    reader: () => "other",
  });
  const thing = {
    name: "the thing",
    ...more,
    isForRequests: true,
    isOurs,
    isIntact: true,
    refusal: "",
    tries: 0,
    remake() {
      thing.tries++;
      if (thing.refusal !== "") throw new FpmError("LISTEN_FAILED", "daemon", thing.refusal);
      thing.isIntact = true;
    },
  };
  const state = { isWanted: true, lost: 0 };
  const upkeep = new Upkeep({
    clock,
    log,
    kept: [thing],
    retireUnreachable: () => state.lost,
    isWanted: () => state.isWanted,
  });
  upkeep.begin();
  return { lines, clock, thing, state, upkeep };
}

test("what was removed is made again within half a second, and told", () => {
  const { lines, clock, thing, upkeep } = start();
  clock.advance(10_000);
  expect([lines, thing.tries]).toEqual([[], 0]);
  thing.isIntact = false;
  expect(upkeep.problem).toBe("the thing was removed or replaced");
  clock.advance(500);
  expect([thing.isIntact, upkeep.problem]).toEqual([true, undefined]);
  expect(lines.join("")).toContain("warn the thing was removed or replaced: made again");
});

test("what is removed again and again is told once in ten seconds", () => {
  const { lines, clock, thing } = start();
  for (let i = 0; i < 40; i++) {
    thing.isIntact = false;
    clock.advance(500);
  }
  expect(thing.tries).toBe(40);
  expect(lines).toHaveLength(2);
});

test("what cannot be made is told once, tried every five seconds, and told when it can", () => {
  const { lines, clock, thing, upkeep } = start();
  Object.assign(thing, { isIntact: false, refusal: "It is another's." });
  clock.advance(15_400);
  expect([thing.tries, lines.length]).toEqual([3, 1]);
  expect(lines[0]).toContain("cannot be made again: It is another's. It is tried again every 5 s.");
  expect(lines[0]).toContain("code=LISTEN_FAILED");
  expect(upkeep.problem).toBe("the thing was removed or replaced and cannot be made again: It is another's.");
  thing.refusal = "";
  clock.advance(5000);
  expect(lines[1]).toContain("the thing could be made again");
});

test("what has come back by itself is told, too, and what is not ours is not tried again", () => {
  const { lines, clock, thing } = start(false);
  Object.assign(thing, { isIntact: false, refusal: "It is systemd's." });
  clock.advance(60_000);
  expect([thing.tries, lines.length]).toEqual([1, 1]);
  thing.isIntact = true;
  clock.advance(500);
  expect(lines[1]).toContain("the thing is there again");
});

test("what is lost in another way than by removal is told in words of its own", () => {
  const loss = { what: "was given to other users", mended: "taken back", isBack: "is ours again" };
  const { lines, clock, thing } = start(true, { loss });
  thing.isIntact = false;
  clock.advance(500);
  Object.assign(thing, { isIntact: false, refusal: "It belongs to user 5." });
  clock.advance(500);
  thing.isIntact = true;
  clock.advance(500);
  expect(lines.map((line) => line.replace(/^\S+ /, ""))).toEqual([
    "warn the thing was given to other users: taken back times=1\n",
    "error the thing was given to other users and cannot be taken back: It belongs to user 5. It is tried again every 5 s. code=LISTEN_FAILED\n",
    "warn the thing is ours again\n",
  ]);
});

test("nothing is done while std-fpm stops or hands over, and no timer is left", () => {
  const { lines, clock, thing, state, upkeep } = start();
  Object.assign(state, { isWanted: false, lost: 2 });
  thing.isIntact = false;
  clock.advance(5000);
  expect([lines, thing.tries]).toEqual([[], 0]);
  state.isWanted = true;
  clock.advance(500);
  expect(lines[1]).toContain("the sockets of processes were removed: others take their place processes=2");
  upkeep.end();
  expect(clock.timers).toBe(0);
});
