import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LinkedList } from "../../src/base/linked-list.ts";

class Member {
  previous: Member | undefined = undefined;
  next: Member | undefined = undefined;
}

/** What is in a list, gone through from its beginning and from its end. */
function bothWays(list: LinkedList<Member>): [Member[], Member[]] {
  const [there, back]: [Member[], Member[]] = [[], []];
  for (let at = list.first; at && there.length < 100; at = at.next) there.push(at);
  for (let at = list.last; at && back.length < 100; at = at.previous) back.push(at);
  return [there, back.reverse()];
}

describe("a linked list", () => {
  test("has its members in the order they were given, like an array", () => {
    const change = fc.record({
      how: fc.constantFrom("push", "insert", "remove"),
      index: fc.nat(9),
      after: fc.nat(9),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const all = Array.from({ length: 10 }, () => new Member());
        const list = new LinkedList<Member>();
        const expected: Member[] = [];
        for (const { how, index, after } of changes) {
          const member = all[index] as Member;
          const at = expected.indexOf(member);
          if (how === "remove") {
            expect(list.remove(member)).toBe(at !== -1);
            if (at !== -1) expected.splice(at, 1);
          } else if (at === -1) {
            // One of those that are there, or none: then it comes first.
            const previous = how === "push" ? expected.at(-1) : expected[after];
            if (how === "push") list.push(member);
            else list.insertAfter(previous, member);
            expected.splice(previous ? expected.indexOf(previous) + 1 : 0, 0, member);
          }
          const [there, back] = bothWays(list);
          expect([there.length, back.length]).toEqual([expected.length, expected.length]);
          expect(expected.every((each, i) => each === there[i] && each === back[i])).toBe(true);
          for (const most of [undefined, 0, after, 10]) {
            const [found, first] = [list.members(most), expected.slice(0, most)];
            expect(found.length).toBe(first.length);
            expect(found.every((each, i) => each === first[i])).toBe(true);
          }
        }
      }),
    );
  });

  test("leaves nothing with whoever was taken out", () => {
    const list = new LinkedList<Member>();
    const [first, second, third] = [new Member(), new Member(), new Member()];
    for (const member of [first, second, third]) list.push(member);
    list.remove(second);
    expect([second.previous, second.next]).toEqual([undefined, undefined]);
    expect([first.next === third, third.previous === first]).toEqual([true, true]);
  });
});
