import { expect, test } from "bun:test";
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { startSite } from "../support/site.ts";
import { startStdFpm } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

test("the log goes into its file, SIGUSR1 opens it anew, and SIGHUP takes another one", async () => {
  await using site = await startSite({ log: 'file = "$FOLDER/fpm.log"' });
  const file = `${site.folder}/fpm.log`;
  const at = (name: string) =>
    existsSync(`${site.folder}/${name}`) ? readFileSync(`${site.folder}/${name}`, "utf8") : "";
  await site.text("lab.fcgi");
  await waitUntil("it is logged", () => at("fpm.log").includes("started program="));
  expect(site.fpm.log()).toBe("");
  renameSync(file, `${file}.1`);
  site.fpm.signal("SIGUSR1");
  await waitUntil("a new file", () => at("fpm.log").includes("reopened the logs"));
  const text = readFileSync(site.fpm.configFile, "utf8");
  await Bun.write(site.fpm.configFile, text.replace("fpm.log", "other.log"));
  site.fpm.signal("SIGHUP");
  await waitUntil("another file", () => at("other.log").includes("configuration reloaded"));
  site.fpm.signal("SIGUSR2");
  await waitUntil("the new one logs into it, too", () => at("other.log").includes("took over"));
  site.fpm.signal("SIGTERM");
  await waitUntil("the last line is there", () => at("other.log").trimEnd().endsWith("info stopped"));
});

test("a log file that cannot be written stops nobody from being served, and stderr says so", async () => {
  await using site = await startSite({ log: 'file = "/nowhere/fpm.log"' });
  expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  await waitUntil("it is said", () => site.fpm.log().includes("/nowhere/fpm.log takes no lines (ENOENT"));
});

test("lines for the journal have a priority, whatever stderr is called; for others they have none", async () => {
  using dir = makeTempDir();
  // The journal is known by device and inode of what stands at descriptor 2: here of the test's own file.
  writeFileSync(dir.at("std-fpm.log"), "");
  const { dev, ino } = statSync(dir.at("std-fpm.log"), { bigint: true });
  const inJournal = await startStdFpm({
    folder: dir.path,
    format: "auto",
    env: { JOURNAL_STREAM: `${dev}:${ino}` },
  });
  await inJournal.stop();
  const odd = inJournal
    .log()
    .trim()
    .split("\n")
    .filter((line) => !/^<[3467]>[a-zA-Z]/.test(line));
  expect(odd).toEqual([]);
  const elsewhere = await startStdFpm({
    folder: dir.path,
    format: "auto",
    env: { JOURNAL_STREAM: `${dev}:1` },
  });
  await elsewhere.stop();
  expect(elsewhere.log()).toMatch(/^\d{4}-\d\d-/);
});
