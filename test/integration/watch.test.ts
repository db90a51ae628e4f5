import { describe, expect, test } from "bun:test";
import { type Site, startSite } from "../support/site.ts";
import { EXECUTABLE } from "../support/std-fpm.ts";
import { startOnTerminal, type TerminalSession } from "../support/terminal.ts";
import { waitUntil } from "../support/wait-until.ts";

const words = (site: Site, ...more: string[]) => [
  EXECUTABLE,
  "status",
  "--watch",
  "--config",
  site.fpm.configFile,
  ...more,
];
const watchOf = (site: Site) => startOnTerminal(words(site));
const has = (text: string) => (screen: string) => screen.includes(text);
/** The programs in the order of the screen. */
const order = (watch: TerminalSession) =>
  watch
    .lines()
    .map((line) => /\/(\w+)\.fcgi$/.exec(line)?.[1])
    .filter(Boolean);

describe("std-fpm status --watch", () => {
  test("shows what is at work, live, and leaves the terminal as it was", async () => {
    await using site = await startSite();
    await using shell = startOnTerminal([
      "/bin/sh",
      "-c",
      `stty -g; ${words(site).join(" ")}; echo $?; stty -g`,
    ]);
    await shell.until("it is there", has("0 requests at work"));
    expect(shell.isOnOtherScreen).toBe(true);
    const asked = site.ask("lab.fcgi?op=sleep&ms=5000&secret=1");
    await shell.until("the request is seen", (text) => /GET \S*lab\.fcgi {2}/.test(text));
    expect(shell.lines().join()).toContain("1 requests at work");
    await shell.until("its age grows", (text) => /[2-4](\.\d)? s +\d+ {2}GET/.test(text));
    expect(shell.raw).not.toContain("secret");
    expect((await asked).status).toBe(200);
    await shell.until("it is over", has("no requests"));
    shell.type("q");
    expect(await shell.exited).toBe(0);
    const printed = () => shell.lines().filter((line) => line !== "");
    await shell.until("all of its output", () => !shell.isOnOtherScreen && printed().length === 3);
    const [before, status, after] = printed();
    expect(status).toBe("0");
    expect(after as string).toBe(before as string);
    expect(shell.raw).toContain("\x1b[?25h");
  });

  test("loses no character of a line that is as long as the terminal is wide, and shows all keys at 80 columns", async () => {
    const name = `${"folder/".repeat(12)}the-end.fcgi`;
    await using site = await startSite({ lab: [name] });
    await site.text(name);
    await using watch = startOnTerminal(words(site), { columns: 80, rows: 24 });
    await watch.until("its name's end is there", (text) => /the-end\.fcgi$/m.test(text));
    expect(watch.lines().at(-1)).toMatch(/^q quit {2}Tab processes {2}sort by: .*x.*n.* \(x trouble\)$/);
  });

  test("has those in trouble first, also without a process, and says why", async () => {
    await using site = await startSite({ lab: ["a.fcgi"], files: { "z.fcgi": "#!/bin/sh\nexit 3\n" } });
    await site.text("a.fcgi");
    await site.ask("z.fcgi");
    await using watch = watchOf(site);
    await watch.until("it is first", () => order(watch)[0] === "z");
    const screen = watch.lines().join("\n");
    expect(screen).toMatch(/^failing {2}.*z\.fcgi: (?:1 start failed in a row|no process of it runs)/m);
    expect(screen).toContain("*STATE");
  });

  test("sorts programs as asked for", async () => {
    await using site = await startSite({ lab: ["a.fcgi", "b.fcgi"], app: "max_processes = 1" });
    await site.text("a.fcgi");
    const asked = [1, 2, 3].map(() => site.ask("b.fcgi?op=sleep&ms=700"));
    await using watch = watchOf(site);
    await watch.until("both are there", (text) => text.includes("/a.fcgi") && text.includes("/b.fcgi"));
    watch.type("w");
    await watch.until("it is sorted so", has("*QUEUE"));
    expect(order(watch).slice(0, 2).join()).toBe("b,a");
    watch.type("n");
    await watch.until("by name", () => order(watch).slice(0, 2).join() === "a,b");
    await Promise.all(asked);
  });

  test("fits every size of the terminal", async () => {
    await using site = await startSite();
    await site.text("lab.fcgi");
    await using watch = watchOf(site);
    await watch.until("it is there", has("lab.fcgi"));
    for (const [columns, rows] of [
      [40, 12],
      [200, 50],
      [20, 5],
    ] as const) {
      watch.resize(columns, rows);
      await watch.until(`${columns} × ${rows}`, () => {
        const lines = watch.lines();
        const first = "std-fpm 0.1.0, pid";
        return lines[0]?.startsWith(first) === true && lines[rows - 1]?.startsWith("q quit") === true;
      });
      expect(watch.lines().filter((line) => line.startsWith("std-fpm 0.1.0"))).toHaveLength(1);
    }
  });

  test("goes on to processes and to errors with Tab", async () => {
    await using site = await startSite();
    const pid = await site.text("lab.fcgi");
    process.kill(Number(pid), "SIGKILL");
    const other = await site.text("lab.fcgi");
    await using watch = watchOf(site);
    await watch.until("it is there", has("no requests"));
    watch.type("\t");
    await watch.until("processes", (text) => new RegExp(`^ *${other} .* idle `, "m").test(text));
    watch.type("\t");
    await watch.until("errors", has(`BACKEND_BROKEN: pid ${pid} ended by SIGKILL`));
    watch.type("\t");
    await watch.until("requests again", has("no requests"));
  });

  test("says when the daemon is gone, and goes on with the next one", async () => {
    await using site = await startSite();
    await using watch = watchOf(site);
    await watch.until("it is there", has(`pid ${site.fpm.pid}: running`));
    await site.fpm.stop();
    await watch.until("it is gone", has("nobody answers at"));
    await site.restart();
    await watch.until("the next one", has(`pid ${site.fpm.pid}: running`));
    expect(watch.lines().join()).not.toContain("nobody answers");
  });

  test.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
    ["SIGHUP", 129],
  ] as const)("ends on %s with status %d, the terminal as it was", async (signal, status) => {
    await using site = await startSite();
    await using watch = watchOf(site);
    await watch.until("it is there", has("running"));
    process.kill(watch.pid, signal);
    expect(await watch.exited).toBe(status);
    await waitUntil("the first screen is back", () => !watch.isOnOtherScreen);
  });

  test("can be suspended and continued", async () => {
    await using site = await startSite();
    await using watch = watchOf(site);
    await watch.until("it is there", has("running"));
    watch.type("\x1a");
    await waitUntil("it has given the terminal back", () => !watch.isOnOtherScreen);
    process.kill(watch.pid, "SIGCONT");
    await watch.until("it is there again", has("running"));
    expect(watch.isOnOtherScreen).toBe(true);
    watch.type("q");
    expect(await watch.exited).toBe(0);
  });

  test("is plain text where nobody has a terminal, and a line of JSON a second with --json", async () => {
    await using site = await startSite();
    await site.text("lab.fcgi");
    expect(await firstOutput(words(site), /(?:lab\.fcgi\n.*){2}/s)).not.toContain("\x1b");
    const lines = (await firstOutput(words(site, "--json"), /\n.*\n/)).split("\n").slice(0, 2);
    const [first, second] = lines.map((line) => JSON.parse(line) as { uptime_seconds: number });
    expect(second?.uptime_seconds).toBeGreaterThan(first?.uptime_seconds ?? Number.POSITIVE_INFINITY);
  });
});

/** Reads from a command until its output is as asked for, then goes away, and waits for its end. */
async function firstOutput(command: readonly string[], enough: RegExp): Promise<string> {
  const child = Bun.spawn([...command], { stdio: ["ignore", "pipe", "ignore"] });
  let output = "";
  for await (const chunk of child.stdout) {
    output += Buffer.from(chunk).toString();
    if (enough.test(output)) break;
  }
  // Nobody reads any more: the next write ends it.
  expect(await child.exited).toBe(1);
  return output;
}
