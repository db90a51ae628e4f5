import { expect, test } from "bun:test";
import type { Log } from "../../src/base/log.ts";
import { runUntilSignalled, type Signalled } from "../../src/daemon/lifecycle.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Something to be signalled, which notes what is asked of it, and a log. */
function signalled(also: (calls: string[]) => Partial<Signalled>) {
  const calls: string[] = [];
  const finished = Promise.withResolvers<unknown>();
  const stop = async (reason: string) => {
    calls.push(`stop: ${reason}`);
    finished.resolve("stopped");
  };
  const line = (message: string) => void calls.push(message);
  const log: Log = { isDebug: true, debug: line, info: line, warn: line, error: line };
  return { calls, log, running: { stop, finished: finished.promise, ...also(calls) } };
}

const send = (name: NodeJS.Signals) => void process.kill(process.pid, name);

test("signals reach what runs, and are left to others when it has finished", async () => {
  const { calls, log, running } = signalled((calls) => ({
    reload: async () => void calls.push("reload"),
    handOver: async () => void calls.push("hand over"),
  }));
  const before = process.listenerCount("SIGHUP");
  const status = runUntilSignalled(async () => running, log);
  for (const [name, called] of [
    ["SIGHUP", "reload"],
    ["SIGUSR2", "hand over"],
    ["SIGTERM", "stop: SIGTERM"],
  ] as const) {
    send(name);
    await waitUntil(`${name} has come`, () => calls.includes(called));
  }
  expect(await status).toBe(0);
  expect(process.listenerCount("SIGHUP")).toBe(before);
});

test("signals that nobody acts upon are logged", async () => {
  const { calls, log, running } = signalled(() => ({}));
  const status = runUntilSignalled(async () => running, log);
  send("SIGHUP");
  await waitUntil("it is logged", () => calls.includes("SIGHUP is not acted upon by this command"));
  send("SIGUSR2");
  await waitUntil("it is logged", () => calls.includes("SIGUSR2 is not acted upon by this command"));
  send("SIGINT");
  await status;
});

test("a stop that comes before the start is over happens after it, anything else does not", async () => {
  const { calls, log, running } = signalled((calls) => ({
    handOver: async () => void calls.push("hand over"),
  }));
  const started = Promise.withResolvers<Signalled>();
  const status = runUntilSignalled(() => started.promise, log);
  send("SIGUSR2");
  await waitUntil("it is logged", () => calls.includes("SIGUSR2 is not acted upon before the start is over"));
  send("SIGTERM");
  send("SIGTERM");
  await Bun.sleep(20);
  started.resolve(running);
  expect(await status).toBe(0);
  expect(calls).toEqual(["SIGUSR2 is not acted upon before the start is over", "stop: SIGTERM"]);
});

test("a start that fails gives the signals back", async () => {
  const before = process.listenerCount("SIGTERM");
  const { log } = signalled(() => ({}));
  await expect(runUntilSignalled(() => Promise.reject(new Error("no")), log)).rejects.toThrow("no");
  expect(process.listenerCount("SIGTERM")).toBe(before);
});
