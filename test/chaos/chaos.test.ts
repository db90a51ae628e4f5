import { expect, test } from "bun:test";
import { copyFileSync, existsSync, readFileSync, renameSync } from "node:fs";
import { resolve } from "node:path";
import { residentBytes } from "../support/processes.ts";
import { type Site, startSite } from "../support/site.ts";
import { edit } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";
import { programFiles, visit } from "./visits.ts";

const SECONDS = Number(process.env["CHAOS_SECONDS"] ?? 60);
const CLIENTS = 50;
/** Two kills are further apart than a request takes: a GET that was hit is answered by its second try. */
const KILL_EVERY_MS = 400;
/** An idle connection of nginx's; it keeps 32. */
const KEPT_CONNECTIONS = 32;
const MIB = 2 ** 20;
/** 200 MiB is what is aimed at, and what it stays below here; other machines make other piles. */
const MAX_PEAK_BYTES = 240 * MIB;
const MAX_LATER_BYTES = 100 * MIB;

test(
  `${SECONDS} s of ${CLIENTS} clients while processes are killed, programs and settings replaced, and std-fpm itself`,
  async () => {
    await using site = await startSite({
      lab: ["lab.fcgi", "other.fcgi"],
      app: 'nice = 1\nidle_timeout = "2s"',
      apps: '[[apps]]\nmatch = "/**/*.php"\nextensions = [".php"]\ncommand = ["/usr/bin/php-cgi"]\n',
      level: "info",
    });
    const seenFile = `${site.folder}/seen`;
    for (const [name, source] of Object.entries(programFiles(seenFile))) site.put(name, source);
    const descriptors = site.fpm.descriptors();
    const end = performance.now() + SECONDS * 1000;
    const [visits, peak] = await Promise.all([visitAll(site, end), disturb(site, end)]);

    // Whatever worked on has ended, and so have idle processes.
    await waitUntil("no process is left", () => site.fpm.backends().length === 0, 30_000);
    const hasGivenBack = () => residentBytes(site.fpm.pid) < MAX_LATER_BYTES;
    await waitUntil("memory is given back", hasGivenBack, 60_000);
    const figures = {
      ...Object.fromEntries(visits.results),
      peak: `${Math.round(peak / MIB)} MiB`,
      later: `${Math.round(residentBytes(site.fpm.pid) / MIB)} MiB`,
      descriptors: [descriptors, site.fpm.descriptors()],
    };
    process.stdout.write(`${JSON.stringify(figures)}\n`);

    // An answer that had begun when its process was killed is aborted; all else is whole.
    const isGood = /^(POST .*|GET 200 (whole|aborted|left)|HEAD 200 whole)$/;
    const failed = [...visits.results.keys()].filter((result) => !isGood.test(result));
    if (failed.length > 0) process.stdout.write(`${refusedGets(site)}\n`);
    expect([failed, visits.wrong]).toEqual([[], []]);
    const seen = existsSync(seenFile) ? readFileSync(seenFile, "utf8").trim().split("\n").map(Number) : [];
    const once = new Set(seen);
    expect(seen.length).toBe(once.size);
    expect(visits.posted.filter((number) => !once.has(number))).toEqual([]);
    expect(site.fpm.log()).not.toContain("a bug in std-fpm");
    expect(peak).toBeLessThan(MAX_PEAK_BYTES);
    // A process has ended before std-fpm has heard of it and closed what it had for it.
    const hasClosed = () => site.fpm.descriptors() <= descriptors + KEPT_CONNECTIONS;
    await waitUntil("descriptors are closed", hasClosed, 5_000);
  },
  (SECONDS + 150) * 1000,
);

/** What all clients together have seen. */
interface Visits {
  readonly results: Map<string, number>;
  /** Whole answers that were not the right ones. */
  readonly wrong: string[];
  /** The numbers of the POSTs that were answered with 200. */
  readonly posted: number[];
}

/** The clients, each with one request after the other. */
async function visitAll(site: Site, end: number): Promise<Visits> {
  const visits: Visits = { results: new Map(), wrong: [], posted: [] };
  let next = 0;
  const client = async () => {
    while (performance.now() < end) {
      const number = next++;
      const { result, wrong } = await visit(site, number);
      visits.results.set(result, (visits.results.get(result) ?? 0) + 1);
      if (wrong !== undefined) visits.wrong.push(wrong);
      if (result === "POST 200 whole") visits.posted.push(number);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return visits;
}

/** Kills a process from time to time, replaces a program, settings, and the daemon. Gives the most memory that was seen. */
async function disturb(site: Site, end: number): Promise<number> {
  let peak = 0;
  let known: number[] = [];
  for (let kills = 0; performance.now() < end; kills++) {
    const pids = site.fpm.backends();
    // One that is killed while it boots is a failed start: where it is the only one, that is told to who waits for it.
    const booted = pids.filter((pid) => known.includes(pid));
    const pid = booted[Math.floor(Math.random() * booted.length)];
    if (pid !== undefined) kill(pid);
    known = pids;
    if (kills % 5 === 4) {
      copyFileSync(resolve("dist/test-programs/lab"), `${site.root}/other.new`);
      renameSync(`${site.root}/other.new`, `${site.root}/other.fcgi`);
    }
    if (kills % 8 === 7) {
      // Every process is another generation then.
      edit(site.fpm, /^nice = \d+/m, `nice = ${1 + (Math.ceil(kills / 8) % 5)}`);
      site.fpm.signal("SIGHUP");
    }
    if (kills % 30 === 29) site.fpm.signal("SIGUSR2");
    await Bun.sleep(KILL_EVERY_MS);
    for (const daemon of site.fpm.daemons()) peak = Math.max(peak, residentBytes(daemon));
  }
  return peak;
}

/** A child that was forked may have ended meanwhile. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has.
  }
}

/**
 * What std-fpm logged of GETs that it refused, each with what happened to the processes of its program before; and what nginx refused
 * by itself.
 */
function refusedGets({ fpm, nginx }: Site): string {
  const lines = fpm.log().split("\n");
  const refused = lines.flatMap((line, at) =>
    /method=(GET|HEAD) .*code=.* status=\d/.test(line) ? [at] : [],
  );
  const deathsOf = (at: number) => {
    const program = /program=\S+/.exec(lines[at] ?? "")?.[0] ?? "program=";
    const before = lines.slice(Math.max(0, at - 100), at);
    const isDeath = (line: string) => line.includes(program) && /sent to another|SIGKILL|cause=/.test(line);
    return before.filter(isDeath).slice(-8);
  };
  const own = refused.map((at) => [...deathsOf(at), lines[at]].join("\n"));
  const errors = nginx.errorLog().split("\n");
  return [...own, ...errors.filter((line) => line.includes("[error]")).slice(0, 50)].join("\n\n");
}
