import { describe, expect, test } from "bun:test";
import { linkSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import { type Site, startSite } from "../support/site.ts";
import { waitUntil } from "../support/wait-until.ts";

const versioned = (text: string, boot = "") => `#!/usr/bin/perl
use FCGI;
${boot}
my $request = FCGI::Request();
while ($request->Accept() >= 0) { print "Content-Type: text/plain\\r\\n\\r\\n${text}"; }
`;

/** Says which release it is of. */
const RELEASED = `#!/usr/bin/perl
use FCGI; use File::Basename;
my $folder = -e "version" ? "." : "current";
open(my $file, "<", "$folder/version") or die $!; my $version = <$file>;
my $request = FCGI::Request();
while ($request->Accept() >= 0) { print "Content-Type: text/plain\\r\\n\\r\\n$version"; }
`;

/** Puts another file in the place of a program, as a deployment does. */
function replace(site: Site, text: string, name = "v.fcgi"): void {
  site.put(`${name}.new`, text);
  renameSync(`${site.root}/${name}.new`, `${site.root}/${name}`);
}

/** The file's age may be up to a second when it is looked at. */
const NOTICED_MS = 1100;

describe("a program that is replaced", () => {
  test("serves its new version from the next request on, within a second", async () => {
    await using site = await startSite({ files: { "v.fcgi": versioned("one") } });
    expect(await site.text("v.fcgi")).toBe("one");
    replace(site, versioned("two"));
    await Bun.sleep(NOTICED_MS);
    expect(await site.text("v.fcgi")).toBe("two");
  });

  test.each(["hard-linked", "shared", "two links away"])(
    "by a switched link is noticed though its file is %s",
    async (how) => {
      await using site = await startSite({
        lab: [],
        files: {
          "releases/1/app.fcgi": RELEASED,
          "releases/1/version": "one",
          "releases/2/version": "two",
        },
      });
      const at = (path: string) => `${site.root}/${path}`;
      if (how === "hard-linked") linkSync(at("releases/1/app.fcgi"), at("releases/2/app.fcgi"));
      else {
        renameSync(at("releases/1/app.fcgi"), at("releases/app"));
        for (const release of ["1", "2"]) symlinkSync("../app", at(`releases/${release}/app.fcgi`));
      }
      symlinkSync("releases/1", at("current"));
      if (how === "two links away") symlinkSync("current/app.fcgi", at("app.fcgi"));
      const script = how === "two links away" ? "app.fcgi" : "current/app.fcgi";
      expect(await site.text(script)).toBe("one");
      symlinkSync("releases/2", at("next"));
      renameSync(at("next"), at("current"));
      await waitUntil("the new release serves", async () => (await site.text(script)) === "two", 4_000);
    },
  );

  test.each(["current", "current/", "releases", "current/**/version"])(
    "for which restart_on_change names %j is replaced when a release is switched",
    async (watched) => {
      await using site = await startSite({
        lab: [],
        files: { "app.fcgi": RELEASED, "releases/1/version": "one", "releases/2/version": "two" },
        app: `restart_on_change = ["${watched}"]`,
      });
      symlinkSync("releases/1", `${site.root}/current`);
      expect(await site.text("app.fcgi")).toBe("one");
      symlinkSync("releases/2", `${site.root}/next`);
      renameSync(`${site.root}/next`, `${site.root}/current`);
      if (watched === "releases") site.put("releases/done", "");
      await waitUntil("the new release serves", async () => (await site.text("app.fcgi")) === "two", 4_000);
    },
  );

  test("keeps its old version while the new one takes its time to start", async () => {
    await using site = await startSite({ files: { "v.fcgi": versioned("one") } });
    await site.text("v.fcgi");
    replace(site, versioned("two", "sleep 3;"));
    await Bun.sleep(NOTICED_MS);
    const started = performance.now();
    expect(await site.text("v.fcgi")).toBe("one");
    expect(performance.now() - started).toBeLessThan(2_000);
    await waitUntil("the new version serves", async () => (await site.text("v.fcgi")) === "two", 6_000);
  });

  test("keeps its old version while the new one cannot start, says so, and takes up one that can", async () => {
    await using site = await startSite({
      files: { "v.fcgi": versioned("one") },
      app: 'idle_timeout = "1s"\nmax_requests = 5',
    });
    await site.text("v.fcgi");
    replace(site, versioned("two", 'die "no database\\n";'));
    await Bun.sleep(NOTICED_MS);
    for (let i = 0; i < 20; i++) expect(await site.text("v.fcgi")).toBe("one");
    // Neither its age nor its idleness takes away what cannot be had again.
    await Bun.sleep(2_500);
    expect(await site.text("v.fcgi")).toBe("one");
    const log = site.fpm.log();
    expect(log).toContain(
      "the new version cannot be started, the old one goes on serving; the next try is in",
    );
    expect(log).toContain("no database");
    replace(site, versioned("three"));
    await Bun.sleep(NOTICED_MS);
    expect(await site.text("v.fcgi")).toBe("three");
  });

  test("by one that no system can execute keeps its old version", async () => {
    await using site = await startSite({ files: { "v.fcgi": versioned("one") } });
    await site.text("v.fcgi");
    replace(site, "#!/no/such/interpreter\n");
    await Bun.sleep(NOTICED_MS);
    for (let i = 0; i < 5; i++) expect(await site.text("v.fcgi")).toBe("one");
    expect(site.fpm.log()).toContain("interpreter /no/such/interpreter of");
  });

  test("with one process allowed never runs two, and serves the new version", async () => {
    await using site = await startSite({ files: { "v.fcgi": versioned("one") }, app: "max_processes = 1" });
    await site.text("v.fcgi");
    replace(site, versioned("two"));
    await Bun.sleep(NOTICED_MS);
    expect(await site.text("v.fcgi")).toBe("two");
    expect(site.fpm.backends().length).toBe(1);
  });

  test("under load loses no request", async () => {
    await using site = await startSite({ files: { "v.fcgi": versioned("0") } });
    const seen = new Set<string>();
    let isOver = false;
    const client = async () => {
      while (!isOver) seen.add(await site.text("v.fcgi"));
    };
    const clients = Array.from({ length: 20 }, client);
    await waitUntil("the first version serves", () => seen.has("0"));
    for (let version = 1; version <= 4; version++) {
      replace(site, versioned(String(version)));
      await waitUntil("it serves", () => seen.has(String(version)));
    }
    isOver = true;
    await Promise.all(clients);
    expect([...seen]).toEqual(["0", "1", "2", "3", "4"]);
  });
});

describe("a command whose executable is replaced", () => {
  const apps = '[[apps]]\nmatch = "$ROOT/app.fcgi"\nany_path = true\ncommand = ["$ROOT/bin/server"]\n';

  test("serves its new version, and never both; while it is missing the processes go on", async () => {
    await using site = await startSite({ lab: [], files: { "bin/server": versioned("one") }, apps });
    expect(await site.text("app.fcgi")).toBe("one");
    unlinkSync(`${site.root}/bin/server`);
    await Bun.sleep(NOTICED_MS);
    expect(await site.text("app.fcgi")).toBe("one");
    expect(site.fpm.log()).not.toContain("cannot be started");
    site.put("bin/server", versioned("two", "use Time::HiRes; Time::HiRes::sleep 0.1;"));
    await Bun.sleep(NOTICED_MS);
    const answers = await Promise.all(Array.from({ length: 8 }, () => site.text("app.fcgi")));
    expect(new Set(answers)).toEqual(new Set(["two"]));
  });

  test("by a link that is switched, as alternatives are, is noticed, too", async () => {
    await using site = await startSite({
      lab: [],
      files: { "bin/server-1": versioned("one"), "bin/server-2": versioned("two") },
      apps,
    });
    symlinkSync("server-1", `${site.root}/bin/server`);
    expect(await site.text("app.fcgi")).toBe("one");
    symlinkSync("server-2", `${site.root}/bin/server.new`);
    renameSync(`${site.root}/bin/server.new`, `${site.root}/bin/server`);
    await Bun.sleep(NOTICED_MS);
    expect(await site.text("app.fcgi")).toBe("two");
  });
});

describe("restart_on_change", () => {
  test("replaces the processes when one of the files changes, comes or goes", async () => {
    await using site = await startSite({
      files: { "v.fcgi": versioned("$$") },
      app: 'restart_on_change = ["conf/site.conf"]',
    });
    const pids = new Set([await site.text("v.fcgi")]);
    pids.add(await site.text("v.fcgi"));
    expect(pids.size).toBe(1);
    for (const change of [
      () => site.put("conf/site.conf", "1"),
      () => unlinkSync(`${site.root}/conf/site.conf`),
    ]) {
      change();
      await Bun.sleep(NOTICED_MS);
      pids.add(await site.text("v.fcgi"));
    }
    expect(pids.size).toBe(3);
  });
});
