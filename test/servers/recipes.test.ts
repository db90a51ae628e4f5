import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Matrix } from "../compatibility/matrix.ts";
import { run } from "../support/run-cli.ts";
import { RECIPE_SERVERS, type RecipeSite, startRecipe } from "./recipe-site.ts";
import { exampleOf, RECIPES, ROWS } from "./recipes.ts";

const matrix = new Matrix(
  "recipes",
  RECIPES.map(({ name, software }) => ({ example: exampleOf(name), version: versionOfPackage(software) })),
  Object.values(ROWS),
);

for (const recipe of RECIPES) {
  for (const server of RECIPE_SERVERS) {
    describe(`the recipe ${recipe.name} with ${server}`, () => {
      let site: RecipeSite;

      beforeAll(async () => {
        site = await startRecipe(recipe, server);
      });

      afterAll(async () => {
        await site[Symbol.asyncDispose]();
      });

      test("works as it is written", () =>
        matrix.fill(exampleOf(recipe.name), ROWS[server], () => recipe.check(site)));
    });
  }

  test(`the recipe ${recipe.name} is a good configuration`, async () => {
    const { err } = await run("check", "--config", `examples/recipes/${recipe.name}.toml`);
    expect(err).not.toContain("unknown key");
    expect(err).not.toContain("expected");
  });
}

afterAll(() => matrix.finish());

/** Without Debian's part of the version. */
function versionOfPackage(name: string): string {
  const { stdout } = Bun.spawnSync(["dpkg-query", "-s", name]);
  const [, version = ""] = /^Version: (?:\d+:)?([^-+~\n]+)/m.exec(stdout.toString()) ?? [];
  return `${name} ${version}`;
}
