import { describe, expect, test } from "bun:test";
import { FpmError } from "../../src/base/errors.ts";
import { SpoolFile } from "../../src/relay/spool-file.ts";
import { SpoolSpace } from "../../src/relay/spool-space.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** A file in a folder, of which a thousand bytes may be taken. */
async function opened(spoolDir = "/var/tmp") {
  const space = new SpoolSpace({ spoolDir, spoolLimitBytes: 1000 }, new FakeClock());
  return { space, file: await SpoolFile.create(space) };
}

const codeOf = (attempt: Promise<unknown>) =>
  attempt.then(
    () => "done",
    (error: unknown) => (error instanceof FpmError ? error.code : String(error)),
  );

describe("a body's file", () => {
  test("has what was put there, in order, from any place", async () => {
    const { file } = await opened();
    await file.append(Buffer.from("one "));
    await file.append(Buffer.from("two"));
    const read = async (position: number, length: number) =>
      Buffer.from(await file.read(position, length)).toString();
    expect(file.size).toBe(7);
    expect([await read(0, 100), await read(0, 3), await read(2, 3)]).toEqual(["one two", "one", "e t"]);
    file.close();
  });

  test("takes room as it grows, up to half of the limit, and gives all of it back once", async () => {
    const { file, space } = await opened();
    await file.append(new Uint8Array(300));
    await file.append(new Uint8Array(200));
    expect(space.usedBytes).toBe(500);
    expect(await codeOf(file.append(new Uint8Array(1)))).toBe("BODY_TOO_LARGE");
    file.close();
    file.close();
    expect(space.usedBytes).toBe(0);
  });

  test("that cannot be made, or read, is told as one that cannot be kept", async () => {
    expect(await codeOf(opened("/nonexistent"))).toBe("SPOOL_FAILED");
    const { file } = await opened();
    await file.append(new Uint8Array(10));
    file.close();
    expect(await codeOf(file.read(0, 10))).toBe("SPOOL_FAILED");
  });
});
