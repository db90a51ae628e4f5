import { expect, test } from "bun:test";
import { renameSync } from "node:fs";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { startSite } from "../support/site.ts";
import { waitUntil } from "../support/wait-until.ts";

test("more clients than max_connections wait and are all served", async () => {
  await using site = await startSite({ server: "max_connections = 2" });
  const answers = await Promise.all(Array.from({ length: 30 }, () => site.ask("lab.fcgi?op=sleep&ms=5")));
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
});

test("an upload that never begins is ended after body_timeout, and its program is free", async () => {
  await using site = await startSite({
    app: 'body_timeout = "300ms"\nabort_timeout = "300ms"\nmax_processes = 1',
  });
  using stalled = await connectFcgi(site.fpm.socket);
  const params = { QUERY_STRING: "op=count", REQUEST_METHOD: "POST", CONTENT_LENGTH: "1000000" };
  await stalled.send(stalled.encode(`${site.root}/lab.fcgi`, { params, body: null }));
  const answer = await stalled.answer();
  expect(answer.stdout).toMatch(/^Status: (408|504)/);
  expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
});

test("a program whose file is replaced is served in its new version soon, and no request fails meanwhile", async () => {
  const version = (name: string) => `#!/usr/bin/perl
use FCGI;
my $request = FCGI::Request();
while ($request->Accept() >= 0) { print "Content-Type: text/plain\\r\\n\\r\\n${name}"; }
`;
  await using site = await startSite({ lab: [], files: { "app.fcgi": version("old") } });
  expect(await site.text("app.fcgi")).toBe("old");
  const statuses = new Set<number>();
  let isOver = false;
  const clients = Array.from({ length: 5 }, async () => {
    while (!isOver) statuses.add((await site.ask("app.fcgi")).status);
  });
  renameSync(site.put("app.fcgi.new", version("new")), `${site.root}/app.fcgi`);
  // Until the file is looked at again a process that is started for more traffic runs the new file beside the old ones.
  await waitUntil("it is noticed", () => site.fpm.log().includes("file was replaced"), 5_000);
  expect(await site.text("app.fcgi")).toBe("new");
  isOver = true;
  await Promise.all(clients);
  expect([...statuses]).toEqual([200]);
  expect(await site.text("app.fcgi")).toBe("new");
});

test("the descriptors of std-fpm do not grow with programs that come and go", async () => {
  const names = Array.from({ length: 30 }, (_, i) => `p${i}.fcgi`);
  await using site = await startSite({ lab: names, app: 'idle_timeout = "100ms"' });
  const round = async () => {
    for (const name of names) await site.text(name);
    await waitUntil("all have ended", () => site.fpm.backends().length === 0);
  };
  await round();
  const before = site.fpm.descriptors();
  for (let i = 0; i < 3; i++) await round();
  await waitUntil("descriptors are closed", () => site.fpm.descriptors() <= before);
});
