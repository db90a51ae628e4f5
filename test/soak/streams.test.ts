import { expect, test } from "bun:test";
import { resolve } from "node:path";
import { snapshotOf } from "../support/admin.ts";
import { checkPattern, patternBytes } from "../support/pattern.ts";
import { residentBytes } from "../support/processes.ts";
import { problemsOfAnswers, randomStream } from "../support/random-streams.ts";
import { connectRaw } from "../support/raw-client.ts";
import { type Site, startSite } from "../support/site.ts";
import { waitUntil } from "../support/wait-until.ts";

/** How many streams, and the number of the first: one that failed comes again with STREAMS=1 and its number. */
const STREAMS = Number(process.env["STREAMS"] ?? 3000);
/** A thread that is added while the machine is busy has two, and there are seven more at the most. */
const THREAD_DESCRIPTORS = 14;
const FIRST = Number(process.env["STREAM_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const CONNECTIONS = 24;
/** Of all streams, until what is held has reached its size. */
const WARM_UP = 1 / 5;
const MAX_GROWTH_BYTES = 64 * 1024 * 1024;

test(
  `${STREAMS} connections whose streams were changed on their way, to programs that answer in the same manner, harm nobody else`,
  async () => {
    await using site = await startSite({
      files: { "babble.fcgi": { copyOf: resolve("test/fixtures/programs/babble.fcgi") } },
      app: 'max_processes = 3\nqueue_length = 1000\nidle_timeout = "500ms"\nrequest_timeout = "10s"',
      level: "error",
    });
    process.stdout.write(`the first stream is ${FIRST}\n`);
    const daemon = site.fpm.pid;
    await settled(site);
    const descriptors = site.fpm.descriptors();
    const problems: string[] = [];
    const isOver = { value: false };
    const sane = [saneClient(site, isOver), saneClient(site, isOver)];

    const warmUp = Math.ceil(STREAMS * WARM_UP);
    await feed(site, FIRST, warmUp, problems);
    const before = residentBytes(daemon);
    await feed(site, FIRST + warmUp, STREAMS - warmUp, problems);
    const after = residentBytes(daemon);
    isOver.value = true;
    const served = await Promise.all(sane);
    const mib = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
    const figures = { served, before: mib(before), after: mib(after), descriptors };
    process.stdout.write(`${JSON.stringify(figures)}\n`);
    expect(problems).toEqual([]);
    await settled(site);
    expect([site.fpm.pid, site.fpm.log().includes("a bug in std-fpm")]).toEqual([daemon, false]);
    expect(after - before).toBeLessThan(MAX_GROWTH_BYTES);
    expect(site.fpm.descriptors()).toBeLessThanOrEqual(descriptors + THREAD_DESCRIPTORS);
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  },
  60_000 + STREAMS * 50,
);

/** Sends so many streams, and writes down what is wrong with what comes. */
async function feed(site: Site, first: number, count: number, problems: string[]): Promise<void> {
  let next = first;
  const connection = async () => {
    while (next < first + count && problems.length < 10) {
      const seed = next++;
      const found = await exchange(site, seed).catch((error: Error) => [error.message]);
      problems.push(...found.map((problem) => `stream ${seed}: ${problem}`));
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, connection));
}

async function exchange(site: Site, seed: number): Promise<string[]> {
  const programs = { lab: `${site.root}/lab.fcgi`, babble: `${site.root}/babble.fcgi` };
  const stream = randomStream(seed, programs);
  const client = await connectRaw(site.fpm.socket);
  let asked = 0;
  for (const [index, { chunks, requests }] of stream.rounds.entries()) {
    if (index > 0) await client.ended(asked);
    await client.send(chunks);
    asked += requests.length;
  }
  return problemsOfAnswers(stream, stream.leaves ? client.leave() : await client.finish());
}

/** Downloads, uploads and the pages of a program that puts other requests' records between its own, each checked to the byte. */
async function saneClient(site: Site, isOver: { value: boolean }): Promise<number> {
  let served = 0;
  for (; !isOver.value; served++) {
    const bytes = (served * 7919) % 300_000;
    const check = checkPattern();
    const download = await site.ask(`lab.fcgi?op=download&bytes=${bytes}`, {
      onBody: check.take,
    });
    expect([download.status, check.length]).toEqual([200, bytes]);
    const body = patternBytes((served * 613) % 100_000);
    const echoed = await site.ask("lab.fcgi?op=echo", {
      body,
      way: served % 2 === 0 ? "direct" : "unbuffered",
    });
    expect([echoed.status, Buffer.compare(echoed.body, body)]).toEqual([200, 0]);
    const page = await site.text(`babble.fcgi?stale&n=${served}`);
    expect(page).toBe(`own ${served} `.repeat(50));
  }
  return served;
}

/** Nothing is at work, and no process is left. */
async function settled(site: Site): Promise<void> {
  await waitUntil("all programs have ended", () => site.fpm.backends().length === 0, 30_000);
  const isQuiet = async () => (await snapshotOf(site.fpm)).connections === 0;
  await waitUntil("all connections are closed", isQuiet, 30_000);
}
