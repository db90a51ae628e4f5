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
});
