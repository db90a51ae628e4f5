import { expect, test } from "bun:test";
import { isAlive } from "../support/processes.ts";
import { startSite } from "../support/site.ts";
import { acceptedBy } from "../support/unix-sockets.ts";
import { waitUntil } from "../support/wait-until.ts";

/** So many clients at once, each asking so often, one after the other. */
async function crowd<T>(clients: number, times: number, ask: () => Promise<T>): Promise<T[]> {
  const answers: T[] = [];
  const client = async () => {
    for (let i = 0; i < times; i++) answers.push(await ask());
  };
  await Promise.all(Array.from({ length: clients }, client));
  return answers;
}

test.each(["direct", "kept"] as const)(
  "200 clients at once on one program all get their answer (%s)",
  async (way) => {
    await using site = await startSite();
    const answers = await crowd(200, 5, () => site.ask("lab.fcgi?op=sleep&ms=5", { way }));
    expect(answers.filter(({ status }) => status !== 200).map(({ status }) => status)).toEqual([]);
    expect(answers.length).toBe(1_000);
  },
);

test("a program that sleeps delays no other program", async () => {
  await using site = await startSite({ lab: ["lab.fcgi", "other.fcgi"] });
  const sleeping = crowd(4, 1, () => site.text("lab.fcgi?op=sleep&ms=3000"));
  await waitUntil("the program works", () => site.fpm.backends().length > 0);
  await crowd(4, 10, () => site.text("other.fcgi"));
  expect(Bun.peek.status(sleeping)).toBe("pending");
  expect((await sleeping).length).toBe(4);
});

test("a request that sleeps delays no other request of the same program", async () => {
  await using site = await startSite();
  const sleeping = site.text("lab.fcgi?op=sleep&ms=3000");
  await waitUntil("the program works", () => site.fpm.backends().length > 0);
  await crowd(2, 5, () => site.text("lab.fcgi"));
  expect(Bun.peek.status(sleeping)).toBe("pending");
  await sleeping;
});

test("one client after the other is served by one and the same process", async () => {
  await using site = await startSite();
  const pids = await crowd(1, 50, () => site.text("lab.fcgi"));
  expect(new Set(pids).size).toBe(1);
});

test("a connection that nginx keeps is used again", async () => {
  await using site = await startSite();
  await site.text("lab.fcgi", "kept");
  const before = acceptedBy(site.fpm.pid);
  expect(before.length).toBe(1);
  const pids = await crowd(1, 50, () => site.text("lab.fcgi", "kept"));
  expect(acceptedBy(site.fpm.pid)).toEqual(before);
  expect(new Set(pids).size).toBe(1);
});

test("a connection that nginx does not keep is gone after the answer", async () => {
  await using site = await startSite();
  await crowd(5, 10, () => site.text("lab.fcgi"));
  await waitUntil("no connection is left", () => acceptedBy(site.fpm.pid).length === 0);
});

test("descriptors are back where they were after 2,000 requests", async () => {
  await using site = await startSite({ app: "max_processes = 2" });
  await crowd(10, 20, () => site.text("lab.fcgi"));
  await waitUntil("the connections are closed", () => acceptedBy(site.fpm.pid).length === 0);
  const before = site.fpm.descriptors();
  await crowd(10, 200, () => site.text("lab.fcgi"));
  await waitUntil("the descriptors are closed", () => site.fpm.descriptors() <= before + 2);
});

test("a program that exits after each answer fails no GET of 50 clients at once", async () => {
  await using site = await startSite({ lab: ["exit-each.fcgi"] });
  const answers = await crowd(50, 10, () => site.ask("exit-each.fcgi"));
  expect(answers.filter(({ status }) => status !== 200).map(({ status }) => status)).toEqual([]);
  expect(answers.length).toBe(500);
  expect(new Set(answers.map((answer) => answer.text())).size).toBe(500);
});

test("no more processes than max_processes are started, and all clients are served", async () => {
  await using site = await startSite({ app: "max_processes = 3" });
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, site.fpm.backends().length);
  }, 5);
  const pids = await crowd(40, 5, () => site.text("lab.fcgi?op=sleep&ms=10"));
  clearInterval(watch);
  expect(new Set(pids).size).toBeLessThanOrEqual(3);
  expect(most).toBeLessThanOrEqual(3);
});

test("a process that was at work when housekeeping looked ends after idle_timeout, too", async () => {
  const names = Array.from({ length: 6 }, (_, i) => `lab-${i}.fcgi`);
  await using site = await startSite({ lab: names, app: 'idle_timeout = "500ms"' });
  // It looks once a second.
  const works = (name: string, i: number) => site.text(`${name}?op=sleep&ms=${1100 + 150 * i}`);
  const pids = await Promise.all(names.map(works));
  await waitUntil("all have ended", () => pids.every((pid) => !isAlive(Number(pid))), 5000);
});

test("idle processes end after idle_timeout, except min_processes", async () => {
  await using site = await startSite({
    lab: ["lab.fcgi", "warm.fcgi"],
    app: 'idle_timeout = "300ms"',
    apps: '[[apps]]\nmatch = "/**/warm.fcgi"\nmin_processes = 1',
  });
  const warm = Number(await site.text("warm.fcgi"));
  await crowd(4, 4, () => site.text("lab.fcgi?op=sleep&ms=50"));
  await waitUntil("only the warm process is left", () => site.fpm.backends().length <= 1);
  expect(site.fpm.backends()).toEqual([warm]);
  expect(Number(await site.text("warm.fcgi"))).toBe(warm);
});

test("a slow start delays nobody else", async () => {
  await using site = await startSite({
    lab: ["lab.fcgi", "slow-boot.fcgi"],
    programEnv: { LAB_BOOT_MS: "2000" },
  });
  const slow = site.text("slow-boot.fcgi");
  await crowd(4, 10, () => site.text("lab.fcgi"));
  expect(Bun.peek.status(slow)).toBe("pending");
  await slow;
});

test("min_processes of a table with a plain path are there before anybody asks, and come back", async () => {
  const plain = (name: string, min: number) => `[[apps]]\nmatch = "$ROOT/${name}"\nmin_processes = ${min}\n`;
  await using site = await startSite({
    lab: ["warm.fcgi"],
    apps: plain("warm.fcgi", 2) + plain("none.fcgi", 1),
  });
  const { fpm } = site;
  await waitUntil("two processes", () => fpm.backends().length === 2);
  process.kill(fpm.backends()[0] as number, "SIGKILL");
  await waitUntil("one ended", () => fpm.log().includes("SIGKILL"));
  await waitUntil("two processes again", () => fpm.backends().length === 2);
  expect(fpm.log()).toContain(
    `min_processes of ${site.root}/none.fcgi cannot be kept: ${site.root}/none.fcgi: no such file`,
  );
});
