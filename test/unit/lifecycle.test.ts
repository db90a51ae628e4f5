import { describe, expect, test } from "bun:test";
import type { Log } from "../../src/base/log.ts";
import { runUntilSignalled, type Signalled } from "../../src/daemon/lifecycle.ts";
import type { Operator } from "../../src/daemon/operator.ts";
import { ServiceManager } from "../../src/daemon/service-manager.ts";
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

test("whoever asks for a reload or a hand-over before the start is over: nothing is done, and the service manager hears of nothing", async () => {
  const { calls, log, running } = signalled((calls) => ({
    reload: async () => void calls.push("reload"),
    handOver: async () => 1234,
  }));
  const manager = new ServiceManager({}, process.pid);
  manager.reloading = () => void calls.push("RELOADING");
  manager.ready = () => void calls.push("READY");
  manager.handOver = (pid) => void calls.push(`MAINPID=${pid}`);
  const { promise: began, resolve: begin } = Promise.withResolvers<Operator>();
  const { promise: isServing, resolve: serve } = Promise.withResolvers<Signalled>();
  const start = (operator: Operator) => {
    begin(operator);
    return isServing;
  };
  const status = runUntilSignalled(start, log, { manager });
  const operator = await began;
  expect(operator.isStarting).toBe(true);
  await operator.reload();
  expect(await operator.handOver()).toBeUndefined();
  expect(calls).toEqual([]);
  serve(running);
  await waitUntil("it serves", () => !operator.isStarting);
  await operator.reload();
  await operator.handOver();
  expect(calls).toEqual(["READY", "RELOADING", "reload", "READY", "MAINPID=1234"]);
  operator.stop("enough");
  await status;
});

test("a start that fails gives the signals back", async () => {
  const before = process.listenerCount("SIGTERM");
  const { log } = signalled(() => ({}));
  await expect(runUntilSignalled(() => Promise.reject(new Error("no")), log)).rejects.toThrow("no");
  expect(process.listenerCount("SIGTERM")).toBe(before);
});

/** Runs this code in a process of its own, with `running` to be signalled and all that is logged on stdout; the status at its end. */
async function inProcess(code: string): Promise<{ status: number; lines: string[] }> {
  const script = `
    import { runUntilSignalled } from "./src/daemon/lifecycle.ts";
    const say = (message) => console.log(message);
    const log = { isDebug: true, debug: say, info: say, warn: say, error: (message, { stack, times } = {}) => say(message + (stack ? " (stack)" : "") + (times ? " times=" + times : "")) };
    const finished = Promise.withResolvers();
    const stop = async (reason) => { say("stop: " + reason); finished.resolve("stopped"); };
    const running = { stop, finished: finished.promise };
    const logs = { close: async () => say("logs closed") };
    ${code}
    process.exit(await runUntilSignalled(async () => running, log, { logs }));
  `;
  const child = Bun.spawn([process.execPath, "-e", script], { stderr: "inherit" });
  const lines = (await child.stdout.text()).trim().split("\n");
  return { status: await child.exited, lines };
}

describe("a bug", () => {
  test("in a callback, and a rejection that nobody listens to, are logged with their stack; what runs goes on", async () => {
    const { status, lines } = await inProcess(`
      setTimeout(() => { throw new Error("in a callback"); });
      setTimeout(() => { void Promise.reject(new Error("in a promise")); });
      setTimeout(() => process.kill(process.pid, "SIGTERM"), 100);
    `);
    expect(status).toBe(0);
    expect(lines).toEqual([
      "a bug in std-fpm: in a callback (stack)",
      "a bug in std-fpm: in a promise (stack)",
      "stop: SIGTERM",
      "logs closed",
    ]);
  });

  test("that comes again and again is not logged each time", async () => {
    const { lines } = await inProcess(`
      let times = 0;
      const throwing = setInterval(() => {
        if (++times === 20) {
          clearInterval(throwing);
          process.kill(process.pid, "SIGTERM");
        }
        throw new Error("again");
      });
    `);
    expect(lines).toEqual(["a bug in std-fpm: again (stack)", "stop: SIGTERM", "logs closed"]);
  });

  test("that comes again and again is told with its times when there is another one", async () => {
    const { lines } = await inProcess(`
      let times = 0;
      const throwing = setInterval(() => {
        if (++times === 20) {
          clearInterval(throwing);
          setTimeout(() => process.kill(process.pid, "SIGTERM"));
          throw new Error("another");
        }
        throw new Error("again");
      });
    `);
    expect(lines.slice(0, 2)).toEqual([
      "a bug in std-fpm: again (stack)",
      "a bug in std-fpm: another (stack) times=19",
    ]);
  });

  test("that keeps a stop from its end: it is given up in time, with status 70 and all logs written", async () => {
    const { status, lines } = await inProcess(`
      running.stopTimeoutMs = 50;
      running.stop = async () => { throw new Error("cannot stop"); };
      setTimeout(() => process.kill(process.pid, "SIGTERM"), 50);
    `);
    expect(status).toBe(70);
    expect(lines).toEqual([
      "a bug in std-fpm: cannot stop (stack)",
      "gave up to stop in order: a bug keeps it from its end",
      "logs closed",
    ]);
  });
});

test("a stop that leaves something behind ends with status 70", async () => {
  const { log, running } = signalled(() => ({ finished: Promise.resolve("incomplete") }));
  const manager = new ServiceManager({}, process.pid);
  let isToldMore = true;
  manager.end = () => {
    isToldMore = false;
  };
  expect(await runUntilSignalled(async () => running, log, { manager })).toBe(70);
  // Nor is the service manager told any more that it is alive.
  expect(isToldMore).toBe(false);
});
