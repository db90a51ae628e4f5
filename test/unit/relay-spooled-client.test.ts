import { describe, expect, test } from "bun:test";
import { ByteQueue } from "../../src/base/byte-queue.ts";
import { FpmError } from "../../src/base/errors.ts";
import type { ClientListener, ClientStream } from "../../src/relay/client-stream.ts";
import { SpoolFile } from "../../src/relay/spool-file.ts";
import { SpoolSpace } from "../../src/relay/spool-space.ts";
import { SpooledClient } from "../../src/relay/spooled-client.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { waitUntil } from "../support/wait-until.ts";

/** A client, and a listener that notes what it hears. */
function world() {
  const notes: string[] = [];
  const client = { listen() {} } as unknown as ClientStream;
  const listener: ClientListener = {
    onBody: (_chunk, start, end) => void notes.push(`body ${end - start}`),
    onBodyEnd: () => void notes.push("end"),
    onClientDrain() {},
    onClientLeft: () => void notes.push("left"),
    onBodyFailed: (error) => void notes.push(`failed: ${error.code}`),
    mayBeUnseen: false,
  };
  return { notes, client, listener };
}

async function fileOf(bytes: number): Promise<SpoolFile> {
  const file = await SpoolFile.create(
    new SpoolSpace({ spoolDir: "/var/tmp", spoolLimitBytes: 0 }, new FakeClock()),
  );
  await file.append(new Uint8Array(bytes));
  return file;
}

/** A disk that fails when it is read. */
const BROKEN = {
  size: 100,
  read: () => Promise.reject(new FpmError("SPOOL_FAILED", "daemon", "EIO")),
} as unknown as SpoolFile;

describe("a body in a file", () => {
  test("is handed on whole, as often as it is asked for", async () => {
    const { notes, client, listener } = world();
    const file = await fileOf(300_000);
    const spooled = new SpooledClient(client, { contentBytes: 0, records: new ByteQueue(), file });
    expect(spooled.isBodyComplete).toBe(false);
    spooled.listen(listener);
    await waitUntil("the end", () => notes.includes("end"));
    expect([notes, spooled.isBodyComplete]).toEqual([
      ["body 131072", "body 131072", "body 37856", "end"],
      true,
    ]);
    spooled.listen(undefined);
    spooled.listen(listener);
    await waitUntil("the second end", () => notes.length === 8);
    spooled.close();
  });

  test("waits while the program is slow, and stops when nobody listens", async () => {
    const { notes, client, listener } = world();
    const spooled = new SpooledClient(client, {
      contentBytes: 0,
      records: new ByteQueue(),
      file: await fileOf(300_000),
    });
    spooled.pauseBody();
    spooled.listen({
      ...listener,
      onBody(...body) {
        listener.onBody(...body);
        spooled.pauseBody();
      },
    });
    await waitUntil("the first piece", () => notes.length === 1);
    await Bun.sleep(20);
    expect(notes.length).toBe(1);
    spooled.resumeBody();
    await waitUntil("the second piece", () => notes.length === 2);
    spooled.listen(undefined);
    await Bun.sleep(20);
    expect(notes.length).toBe(2);
    spooled.close();
  });

  test("that cannot be read any more is not taken for whole", async () => {
    const { notes, client, listener } = world();
    const spooled = new SpooledClient(client, { contentBytes: 0, records: new ByteQueue(), file: BROKEN });
    spooled.listen(listener);
    await waitUntil("it is noticed", () => notes.length > 0);
    expect(notes).toEqual(["failed: SPOOL_FAILED"]);
  });
});
