import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { command } from "../support/admin.ts";
import { isAlive } from "../support/processes.ts";
import { run } from "../support/run-cli.ts";
import { waitUntil } from "../support/wait-until.ts";
import { RECIPE_SERVERS, type Recipe, type RecipeSite, startRecipe } from "./recipe-site.ts";

const EXAMPLE: Recipe = {
  name: "site",
  folder: "php",
  prepare(dir) {
    mkdirSync(dir.at("site"));
    for (const page of ["status.php", "hello.php"])
      copyFileSync(`examples/php/${page}`, dir.at("site", page));
    return [["/srv/php", dir.at("site")]];
  },
};

/** What status.php tells. */
async function told({ ask }: RecipeSite, path = "/status.php") {
  const text = (await ask(path)).text();
  const line =
    /^process (\d+), one of (\d+)\ntree (\d+)\npath info (.*)\nopcode cache (\d+) scripts, (\d+) misses, (\d+) hits\n$/;
  const found = line.exec(text);
  if (!found) throw new Error(`an unexpected page: ${text}`);
  const [, process, children, tree, info, scripts, misses] = found;
  return { process, children, tree: Number(tree), info, scripts: Number(scripts), misses: Number(misses) };
}

for (const server of RECIPE_SERVERS) {
  describe(`examples/php with ${server}`, () => {
    let site: RecipeSite;

    beforeAll(async () => {
      site = await startRecipe(EXAMPLE, server);
    });

    afterAll(async () => {
      await site[Symbol.asyncDispose]();
    });

    test("serves with four children of one tree, which share one opcode cache, and PATH_INFO", async () => {
      const first = await told(site);
      expect(first).toMatchObject({ children: "4", info: "" });
      const more = await Promise.all(Array.from({ length: 40 }, () => told(site, "/status.php/a/b")));
      expect(new Set(more.map(({ tree, info }) => `${tree} ${info}`))).toEqual(
        new Set([`${first.tree} /a/b`]),
      );
      expect(new Set(more.map(({ process }) => process)).size).toBeGreaterThan(1);
      // PHP takes up no file that was written two seconds ago.
      const cached = await waitUntil("the page is in the cache", async () => {
        const now = await told(site);
        return now.scripts > 0 ? now : undefined;
      });
      const later = await Promise.all(Array.from({ length: 40 }, () => told(site)));
      expect(new Set(later.map(({ misses }) => misses))).toEqual(new Set([cached.misses]));
      expect((await site.ask("/")).text()).toContain("one of 4");
      expect((await site.ask("/hello.php")).text()).toStartWith("Hello from hello.php");
      expect((await site.ask("/missing.php")).status).toBe(404);
    });

    test.each([
      ["std-fpm restart", (fpm: RecipeSite["fpm"]) => command(fpm, "restart", "php")],
      ["a deployment", async () => writeFileSync(site.dir.at("site", "release"), String(performance.now()))],
    ])("replaces the tree by %s", async (_, act) => {
      const before = await told(site);
      const done = act(site.fpm);
      await waitUntil("the old tree has gone", async () => {
        await told(site);
        return !isAlive(before.tree);
      });
      await done;
      expect((await told(site)).tree).not.toBe(before.tree);
    });
  });
}

test("examples/php is a good configuration", async () => {
  const { err } = await run("check", "--config", "examples/php/site.toml");
  expect(err).not.toContain("unknown key");
  expect(err).not.toContain("expected");
});
