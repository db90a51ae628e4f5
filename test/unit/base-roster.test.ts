import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { NOWHERE, Roster } from "../../src/base/roster.ts";

class Member {
  rosterAt = NOWHERE;
}

describe("a roster", () => {
  test("has who came and has not left, like a set", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9))), (changes) => {
        const all = Array.from({ length: 10 }, () => new Member());
        const roster = new Roster<Member>();
        const expected = new Set<Member>();
        for (const [comes, index] of changes) {
          const member = all[index] as Member;
          if (!comes) expect(roster.remove(member)).toBe(expected.delete(member));
          else if (!expected.has(member)) {
            roster.add(member);
            expected.add(member);
          }
          expect(roster.size).toBe(expected.size);
          expect(new Set(roster.members)).toEqual(expected);
        }
      }),
    );
  });

  test("can be changed while its members are gone through", () => {
    const roster = new Roster<Member>();
    for (let i = 0; i < 5; i++) roster.add(new Member());
    let gone = 0;
    for (const member of roster.members) if (roster.remove(member)) gone++;
    expect([gone, roster.size]).toEqual([5, 0]);
  });
});
