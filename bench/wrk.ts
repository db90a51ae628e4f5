/** The runtime compiles what is hot in the first seconds of load, on other threads, and that counts as CPU time until it is done. */
export const WARM_UP_S = 15;

/** One run of wrk. */
export interface WrkResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p99Ms: number;
  /** Answers that were not 2xx or 3xx, and broken connections. */
  readonly errors: number;
}

const MS_PER_UNIT: Record<string, number> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

/** Loads a URL over so many connections for so many seconds. */
export async function runWrk(url: string, connections: number, seconds: number): Promise<WrkResult> {
  const child = Bun.spawn(["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--latency", url], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const report = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`wrk failed:\n${report}`);
  return {
    requests: numberIn(report, /(\d+) requests in/),
    requestsPerSecond: numberIn(report, /Requests\/sec:\s+([\d.]+)/),
    p99Ms: durationIn(report, /99%\s+([\d.]+)(us|ms|s|m)/),
    errors:
      numberIn(report, /Non-2xx or 3xx responses: (\d+)/, 0) +
      [...report.matchAll(/(?:connect|read|write|timeout) (\d+)/g)].reduce(
        (sum, found) => sum + Number(found[1]),
        0,
      ),
  };
}

function numberIn(report: string, pattern: RegExp, otherwise?: number): number {
  const found = pattern.exec(report)?.[1];
  if (found === undefined && otherwise === undefined)
    throw new Error(`wrk did not say ${pattern}:\n${report}`);
  return Number(found ?? otherwise);
}

function durationIn(report: string, pattern: RegExp): number {
  const [, amount, unit = ""] = pattern.exec(report) ?? [];
  return Number(amount) * (MS_PER_UNIT[unit] ?? Number.NaN);
}
