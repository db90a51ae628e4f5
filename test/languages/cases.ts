import { expect } from "bun:test";
import type { HttpAnswer } from "../support/http-exchange.ts";
import { patternBytes } from "../support/pattern.ts";
import type { LanguageSite } from "./language-site.ts";

const MIB = 1024 * 1024;
/** The largest upload that the examples take. */
const MAX_UPLOAD = 4 * MIB;

/** What programs in every language must do under std-fpm. */
export interface LanguageCase {
  /** A row of the table of compatibility. */
  readonly name: string;
  run(site: LanguageSite): Promise<unknown>;
}

/** All cases, in the order of the table; the last one ends std-fpm. */
export const LANGUAGE_CASES: readonly LanguageCase[] = [
  { name: "hello", run: hello },
  { name: "parameters and headers", run: env },
  { name: "upload of 300 KiB", run: (site) => upload(site, 300 * 1024) },
  { name: "largest upload", run: (site) => upload(site, MAX_UPLOAD) },
  { name: "upload that is too large", run: tooLarge },
  { name: "20 requests, one process", run: oneProcess },
  { name: "50 requests at once", run: atOnce },
  { name: "ends on SIGTERM", run: terminate },
];

async function hello(site: LanguageSite): Promise<void> {
  const answer = await site.ask(site.language.hello);
  expectWhole(answer);
  expect(answer.text()).toMatch(/^Hello/);
  expect(answer.headers.get("content-type")).toStartWith("text/plain");
}

async function env(site: LanguageSite): Promise<void> {
  const answer = await site.ask(`${site.language.env}/path/info?x=1&y=%20z`, {
    headers: { "X-Example": "some thing" },
  });
  expectWhole(answer);
  const text = answer.text();
  expect(text).toContain(`examples/${site.language.env}\n`);
  expect(text).toContain("x=1&y=%20z");
  expect(text).toContain("/path/info");
  expect(text).toContain("some thing");
}

async function upload(site: LanguageSite, length: number): Promise<void> {
  const before = site.uploads();
  const body = patternBytes(length);
  const answer = await site.ask(site.language.upload, { body, headers: BINARY });
  expectWhole(answer, 201);
  const added = [...site.uploads()].filter(([name]) => !before.has(name));
  expect(added.map(([name]) => name)).toEqual([answer.text().trim()]);
  expect(Buffer.compare(added[0]?.[1] ?? Buffer.of(), body)).toBe(0);
}

async function tooLarge(site: LanguageSite): Promise<void> {
  const before = site.uploads().size;
  const answer = await site.ask(site.language.upload, {
    body: patternBytes(MAX_UPLOAD + 1),
    headers: BINARY,
  });
  expectWhole(answer, 413);
  expect(site.uploads().size).toBe(before);
}

async function oneProcess(site: LanguageSite): Promise<string | undefined> {
  const first = await site.ask(site.language.hello);
  const processes = site.fpm.backends();
  const texts: string[] = [first.text()];
  for (let i = 1; i < 20; i++) {
    const answer = await site.ask(site.language.hello);
    expectWhole(answer);
    texts.push(answer.text());
  }
  expect(site.fpm.backends()).toEqual(processes);
  const counts = texts
    .map((text) => /answered (\d+) requests/.exec(text)?.[1])
    .filter(Boolean)
    .map(Number);
  if (site.language.isCgi) {
    expect(new Set(texts).size).toBe(20);
    return "a process each";
  }
  // PHP knows nothing of the request before.
  if (counts.length > 0) expect(counts).toEqual(counts.map((_, at) => (counts[0] ?? 0) + at));
  return undefined;
}

async function atOnce(site: LanguageSite): Promise<void> {
  const answers = await Promise.all(Array.from({ length: 50 }, () => site.ask(site.language.hello)));
  for (const answer of answers) expectWhole(answer);
}

/**
 * All processes of all three programs end, none has to be killed, and std-fpm does not have to wait. Those that have
 * answered end well; one that has not may still load its libraries, and Ruby's fails at a connection without a request.
 */
async function terminate(site: LanguageSite): Promise<void> {
  const processes = site.fpm.backends().length;
  const start = performance.now();
  await site.stopStdFpm();
  expect(performance.now() - start).toBeLessThan(3000);
  const lines = site.fpm.log().split("\n");
  const ends = lines.filter((line) => line.includes("reason=shutdown") && line.includes(" served="));
  // Those whose start was under way meanwhile end, too.
  expect(ends.length).toBeGreaterThanOrEqual(processes);
  if (site.language.isCgi) return;
  const ofServing = ends.filter((line) => !line.includes(" served=0"));
  expect(ofServing.length).toBeGreaterThan(0);
  expect(ofServing.filter((line) => !/ended by SIGTERM|exited with status 0/.test(line))).toEqual([]);
}

const BINARY = { "Content-Type": "application/octet-stream" };

function expectWhole(answer: HttpAnswer, wanted = 200): void {
  if (answer.status !== wanted) throw new Error(`${answer.status} instead of ${wanted}: ${answer.text()}`);
  expect(answer.end).toBeOneOf(["complete", "until-close"]);
}
