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
    expect(conduct.keepsConnections).toBe(false);
  });

  test("what is no answer on a connection that had served others ends the keeping of connections, which is news once", () => {
    const conduct = new Conduct();
    expect([conduct.onMixedRecords(), conduct.onMixedRecords(), conduct.keepsConnections]).toEqual([
      true,
      false,
      false,
    ]);
    expect([conduct.onEcho(), conduct.onStaleRecord()]).toEqual([false, false]);
    conduct.forget();
    expect([conduct.keepsConnections, conduct.onMixedRecords()]).toEqual([true, true]);
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

  test("the end of a CGI process is awaited twice as long as they usually take, where that is short", () => {
    const conduct = new Conduct();
    expect(conduct.awaitEndMs).toBe(5);
    const after = (ms: number, bytes = 100) => {
      conduct.onRan(ms, bytes);
      return conduct.awaitEndMs;
    };
    expect([after(1), after(1)]).toEqual([5, 5]);
    conduct.forget();
    expect([after(8), after(16), after(8)]).toEqual([16, 18, 17.75]);
    // A long one among short ones is forgotten soon, many are not.
    conduct.forget();
    expect([after(8), after(5000), after(8), after(8)]).toEqual([16, 64, 58, 52.75]);
    for (let i = 0; i < 3; i++) after(5000);
    expect(conduct.awaitEndMs).toBe(5);
    conduct.forget();
    expect([after(50), after(51)]).toEqual([100, 5]);
  });

  test("a process that had to wait until its output was read says nothing of how long they take", () => {
    const conduct = new Conduct();
    conduct.onRan(8, 65_536);
    expect(conduct.awaitEndMs).toBe(16);
    for (let i = 0; i < 2; i++) conduct.onRan(8, 65_537);
    expect(conduct.awaitEndMs).toBe(5);
  });
});
