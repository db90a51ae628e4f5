import { describe, expect, test } from "bun:test";
import { systemClock } from "../../src/base/clock.ts";
import type { Log, LogFields } from "../../src/base/log.ts";
import { Tracer } from "../../src/slow/tracer.ts";
import { directPipes } from "../support/direct-pipes.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { isAlive } from "../support/processes.ts";
import { waitUntil } from "../support/wait-until.ts";

/** A tracer whose time is turned by hand, and what it logs. */
function tracerOf(...command: string[]) {
  const clock = new FakeClock();
  const lines: string[] = [];
  const write = (message: string, fields?: LogFields) => {
    lines.push(fields?.["stream"] === undefined ? message : `${fields["pid"]} ${message}`);
  };
  const log: Log = { isDebug: true, debug: write, info: write, warn: write, error: write };
  const left: unknown[] = [];
  const reaper = { leave: (child: unknown) => void left.push(child) };
  const tracer = new Tracer({ clock, log, instance: "test", reaper, pipes: directPipes(systemClock) });
  tracer.command = command;
  const trace = (program: string, pid = 7) => tracer.trace({ pid, program, request: "GET /" });
  return { clock, lines, left, tracer, trace };
}

/** Leaves a process behind that has left its group and holds its output. */
const DAEMON = `pipe R, W; if (!fork) { POSIX::setsid(); syswrite W, 'x'; syswrite STDOUT, "$$\\n"; exec 'sleep', 1e6 } sysread R, $_, 1`;

describe("the tracer", () => {
  test("gets the pid wherever it is asked for, a clean environment, and is read to its end", async () => {
    const { lines, tracer, trace } = tracerOf("/usr/bin/env", "PID={pid}.{pid}", "/usr/bin/env");
    trace("/a.fcgi", 812);
    await waitUntil("it has printed", () => lines.length >= 4);
    await tracer.close();
    // It may not have ended yet when it has printed all, and is killed then.
    expect(lines.filter((line) => line.startsWith("812 ")).sort()).toEqual([
      "812 LANG=C.UTF-8",
      "812 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "812 PID=812.812",
      "812 STD_FPM_INSTANCE=test",
    ]);
  });

  test("is killed with all that it has started when it takes too long", async () => {
    const { clock, lines, tracer, trace } = tracerOf("/bin/sh", "-c", "sleep 1000000 & echo $!; wait");
    trace("/a.fcgi");
    const line = await waitUntil("it has started another", () => lines[0]);
    const child = Number(line.slice("7 ".length));
    clock.advance(9999);
    expect(isAlive(child)).toBe(true);
    clock.advance(1);
    await waitUntil("it is killed", () => lines.includes("the tracer was killed: it took longer than 10 s"));
    await waitUntil("its child has ended", () => !isAlive(child));
    await tracer.close();
  });

  test("is not waited for when something outside its group holds its output", async () => {
    const { clock, lines, tracer, trace } = tracerOf("/usr/bin/perl", "-MPOSIX", "-e", DAEMON);
    trace("/a.fcgi");
    const line = await waitUntil("it has printed", () => lines[0]);
    const child = Number(line.slice("7 ".length));
    let isClosed = false;
    void tracer.close().then(() => {
      isClosed = true;
    });
    await waitUntil("it is closed", () => {
      clock.advance(50);
      return isClosed;
    });
    expect(isAlive(child)).toBe(true);
    process.kill(child, "SIGKILL");
  });

  test("is killed when it prints without end, by lines or by characters; what came before is logged", async () => {
    for (const printed of ["yes", `while :; do printf '%04000d\\n' 1; done`]) {
      const { lines, tracer, trace } = tracerOf("/bin/sh", "-c", printed);
      trace("/a.fcgi");
      const why = await waitUntil("it is killed", () => lines.find((line) => line.includes("was killed")));
      expect(why).toStartWith("the tracer was killed: it printed more than ");
      await tracer.close();
      const characters = lines.reduce((sum, line) => sum + line.length, 0);
      expect([lines.length > 10, characters < 2 ** 21]).toEqual([true, true]);
    }
  });

  test("leaves the process that it was to whoever reaps it", async () => {
    const { left, tracer, trace } = tracerOf("/bin/true");
    trace("/a.fcgi");
    await tracer.close();
    expect(left.length).toBe(1);
  });

  test("is run on one process at a time and on a program not again for 10 s; the rest is counted", async () => {
    const { clock, lines, tracer, trace } = tracerOf("/bin/echo", "traced");
    const traced = () => lines.filter((line) => line === "7 traced").length;
    trace("/a.fcgi");
    trace("/b.fcgi");
    // What is left is the timer of the count.
    await waitUntil("it has ended", () => traced() === 1 && clock.timers === 1);
    trace("/a.fcgi");
    clock.advance(10_000);
    expect(lines.slice(1)).toEqual([
      "2 slow requests were not traced: only one is traced at a time, and of one program one in 10 s",
    ]);
    trace("/a.fcgi");
    await waitUntil("it has ended again", () => traced() === 2 && clock.timers === 0);
    await tracer.close();
  });

  test("does nothing without a command, nor when it is closed", async () => {
    const { clock, lines, tracer, trace } = tracerOf();
    trace("/a.fcgi");
    tracer.command = ["/bin/echo"];
    await tracer.close();
    trace("/a.fcgi");
    expect(lines).toEqual([]);
    expect(clock.timers).toBe(0);
  });
});
