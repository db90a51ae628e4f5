import { describe, expect, test } from "bun:test";
import { FpmError } from "../../src/base/errors.ts";
import { SpoolSpace } from "../../src/relay/spool-space.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** A disk with so many bytes, on which others take some. */
function diskOf(bytes: number, spoolLimitBytes = 0) {
  const clock = new FakeClock();
  const disk = { others: 0, looks: 0 };
  const space: SpoolSpace = new SpoolSpace({ spoolDir: "/spool", spoolLimitBytes }, clock, async (folder) => {
    expect(folder).toBe("/spool");
    disk.looks++;
    return bytes - disk.others - space.usedBytes;
  });
  /** The code of the error, if there is one. */
  const take = (size: number, more: number) =>
    space.take(size, more).then(
      () => "taken",
      (error: unknown) => (error instanceof FpmError ? error.code : String(error)),
    );
  return { clock, disk, space, take };
}

describe("one body", () => {
  test("may have half of the limit, and not a byte more", async () => {
    const { take } = diskOf(0, 1000);
    expect(await take(0, 400)).toBe("taken");
    expect(await take(400, 100)).toBe("taken");
    expect(await take(500, 1)).toBe("BODY_TOO_LARGE");
  });

  test("may have half of what the others leave", async () => {
    const { take } = diskOf(0, 1000);
    expect(await take(0, 500)).toBe("taken");
    expect(await take(0, 250)).toBe("taken");
    expect(await take(250, 1)).toBe("SPOOL_FULL");
    expect(await take(0, 125)).toBe("taken");
    expect(await take(0, 63)).toBe("SPOOL_FULL");
    expect(await take(0, 62)).toBe("taken");
  });

  test("gets room again when another one has gone", async () => {
    const { take, space } = diskOf(0, 1000);
    await take(0, 500);
    expect(await take(0, 300)).toBe("SPOOL_FULL");
    space.give(500);
    expect(await take(0, 300)).toBe("taken");
    expect(space.usedBytes).toBe(300);
  });
});

describe("without a limit of its own", () => {
  test("half of what is free may be taken, however much of that is taken already", async () => {
    const { take, clock } = diskOf(4000);
    expect(await take(0, 1000)).toBe("taken");
    clock.advance(1000);
    expect(await take(1000, 1)).toBe("SPOOL_FULL");
    expect(await take(0, 500)).toBe("taken");
  });

  test("on a large disk it is the body that is too large, on a full one the disk", async () => {
    const GIB = 2 ** 30;
    expect(await diskOf(4 * GIB).take(GIB, 1)).toBe("BODY_TOO_LARGE");
    expect(await diskOf(0.5 * GIB).take(0.2 * GIB, 1)).toBe("BODY_TOO_LARGE");
    expect(await diskOf(0.5 * GIB - 2).take(0.2 * GIB, 1)).toBe("SPOOL_FULL");
  });

  test("the disk is asked once a second at most, once for all who ask at the same time", async () => {
    const { take, clock, disk } = diskOf(1_000_000);
    expect(await Promise.all([take(0, 10), take(0, 10), take(0, 10)])).toEqual(["taken", "taken", "taken"]);
    clock.advance(999);
    await take(10, 10);
    expect(disk.looks).toBe(1);
    clock.advance(1);
    disk.others = 1_000_000;
    expect(await take(20, 100_000)).toBe("SPOOL_FULL");
    expect(disk.looks).toBe(2);
  });
});

test("other settings hold at once", async () => {
  const { take, space } = diskOf(1000);
  expect(await take(0, 300)).toBe("SPOOL_FULL");
  space.use({ spoolDir: "/spool", spoolLimitBytes: 10_000 });
  expect(await take(0, 300)).toBe("taken");
});
