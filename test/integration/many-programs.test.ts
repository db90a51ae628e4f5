import { describe, expect, test } from "bun:test";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { type Site, startSite } from "../support/site.ts";

const PROGRAMS = 400;
const CAP = 80;
const SHELL = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\nok'\n";

/** Asks for `/ping` every 20 ms, and gives the longest time that it took. */
function startPinging(site: Site): { stop(): Promise<number> } {
  let isOver = false;
  const pinging = (async () => {
    let slowest = 0;
    while (!isOver) {
      const started = performance.now();
      using connection = await connectFcgi(site.fpm.socket);
      await connection.request("/", { params: { SCRIPT_NAME: "/ping" } });
      slowest = Math.max(slowest, performance.now() - started);
      await Bun.sleep(20);
    }
    return slowest;
  })();
  return {
    stop() {
      isOver = true;
      return pinging;
    },
  };
}

async function askEach(site: Site, names: readonly string[]): Promise<string[]> {
  const ask = async (name: string) => {
    using connection = await connectFcgi(site.fpm.socket);
    const { stdout } = await connection.request(`${site.root}/${name}`);
    return stdout.split("\r\n")[0] ?? "";
  };
  return [...new Set(await Promise.all(names.map(ask)))];
}

describe(`${PROGRAMS} programs and ${CAP} processes of all`, () => {
  const server = `max_processes = ${CAP}\nping_path = "/ping"`;
  const namesOf = (extension: string) => Array.from({ length: PROGRAMS }, (_, at) => `p${at}${extension}`);

  test("are all answered when each is asked at the same time, and nothing stands still meanwhile", async () => {
    const names = namesOf(".fcgi");
    await using site = await startSite({ lab: names, server, level: "warn" });
    const pings = startPinging(site);
    // Twice: when there are no processes yet, and when there are only those of others.
    for (let round = 0; round < 2; round++)
      expect(await askEach(site, names)).toEqual(["Content-Type: application/octet-stream"]);
    expect(site.fpm.backends().length).toBeLessThanOrEqual(CAP);
    // It stood for 3 s and more when each exit asked each program what it wanted.
    expect(await pings.stop()).toBeLessThan(1000);
  });

  test("are so with CGI too", async () => {
    const names = namesOf(".cgi");
    const files = Object.fromEntries(names.map((name) => [name, SHELL]));
    const app = 'protocol = "cgi"\nextensions = [".cgi"]';
    await using site = await startSite({ lab: [], files, server, app, level: "warn" });
    const pings = startPinging(site);
    expect(await askEach(site, names)).toEqual(["Content-Type: text/plain"]);
    expect(await pings.stop()).toBeLessThan(1000);
  });
});
