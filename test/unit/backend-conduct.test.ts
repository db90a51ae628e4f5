import { describe, expect, test } from "bun:test";
import { Conduct } from "../../src/backend/conduct.ts";

describe("what is learned of a program's conduct", () => {
  test("connections are kept until it answers under another id than it was given, which is news once", () => {
    const conduct = new Conduct();
    expect(conduct.keepsConnections).toBe(true);
    expect([conduct.onIgnoredId(), conduct.onIgnoredId()]).toEqual([true, false]);
    expect(conduct.keepsConnections).toBe(false);
  });

  test("records of earlier requests are its children's once it is known to go by the ids, which is news once", () => {
    const conduct = new Conduct();
    expect([conduct.onStaleRecord(), conduct.onEcho(), conduct.onEcho(), conduct.onStaleRecord()]).toEqual([
      false,
      true,
      false,
      false,
    ]);
    expect(conduct.keepsConnections).toBe(true);
  });

  test("a program that echoes ids is told of its children with the first record", () => {
    const conduct = new Conduct();
    expect([conduct.onEcho(), conduct.echoesIds, conduct.onStaleRecord()]).toEqual([false, true, true]);
  });

  test("another version of it is another program", () => {
    const conduct = new Conduct();
    conduct.onIgnoredId();
    conduct.onAnsweredEarly();
    conduct.onStaleRecord();
    conduct.onEcho();
    conduct.forget();
    expect([conduct.keepsConnections, conduct.echoesIds, conduct.answersEarly]).toEqual([true, false, false]);
    expect([conduct.onIgnoredId(), conduct.onAnsweredEarly()]).toEqual([true, true]);
    expect([conduct.onEcho(), conduct.onStaleRecord()]).toEqual([false, true]);
  });

  test("one that works on after its answers is trusted again after a thousand quick returns in a row", () => {
    const conduct = new Conduct();
    conduct.onAnsweredEarly();
    for (let i = 0; i < 999; i++) conduct.onBack(5);
    conduct.onBack(5.1);
    for (let i = 0; i < 999; i++) conduct.onBack(0);
    expect(conduct.answersEarly).toBe(true);
    conduct.onBack(5);
    expect(conduct.answersEarly).toBe(false);
  });
});
