import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { createLog } from "../../src/base/log.ts";
import { frontAt } from "../support/front.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const log = createLog({ level: "error", format: "plain", reader: () => "other", write() {} });

test("a front accepts nobody until some work is done, and then those who have come meanwhile", async () => {
  using dir = makeTempDir();
  const front = frontAt(dir.at("socket"), log, () => {});
  const { promise: work, resolve: finish } = Promise.withResolvers<void>();
  const accepting = front.acceptAfter(() => work);
  const client = await Bun.connect({ unix: dir.at("socket"), socket: { data() {} } });
  await Bun.sleep(100);
  expect([front.connections, front.isHeld]).toEqual([0, true]);
  finish();
  await accepting;
  await waitUntil("it is accepted", () => front.connections === 1);
  expect(front.isHeld).toBe(false);
  client.end();
  front.close();
  front.abandon();
});

test("a front whose work fails accepts nobody, and leaves no socket when it is undone", async () => {
  using dir = makeTempDir();
  const front = frontAt(dir.at("socket"), log, () => {});
  const failing = front.acceptAfter(() => Promise.reject(new Error("no luck")));
  await expect(failing).rejects.toThrow("no luck");
  expect(front.isHeld).toBe(true);
  front.undo();
  expect([existsSync(dir.at("socket")), front.isEmpty]).toEqual([false, true]);
});

test("a gate that is opened meanwhile lets nobody in before the work is done, and one that is closed stays so", async () => {
  using dir = makeTempDir();
  const front = frontAt(dir.at("socket"), log, () => {});
  const hold = () => {
    const { promise: work, resolve: finish } = Promise.withResolvers<void>();
    return { accepting: front.acceptAfter(() => work), finish };
  };
  const shut = hold();
  front.openGate();
  front.closeGate();
  const client = await Bun.connect({ unix: dir.at("socket"), socket: { data() {} } });
  shut.finish();
  await shut.accepting;
  await Bun.sleep(100);
  expect([front.connections, front.isHeld]).toEqual([0, false]);
  const opened = hold();
  expect(front.openGate()).toBe(true);
  await Bun.sleep(100);
  expect(front.connections).toBe(0);
  opened.finish();
  await opened.accepting;
  await waitUntil("it is accepted", () => front.connections === 1);
  client.end();
  front.close();
  front.abandon();
});
