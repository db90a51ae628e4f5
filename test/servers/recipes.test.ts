import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { run } from "../support/run-cli.ts";
import { RECIPE_SERVERS, type RecipeSite, startRecipe } from "./recipe-site.ts";
import { RECIPES } from "./recipes.ts";

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

      test("works as it is written", () => recipe.check(site));
    });
  }

  test(`the recipe ${recipe.name} is a good configuration`, async () => {
    const { err } = await run("check", "--config", `examples/recipes/${recipe.name}.toml`);
    expect(err).not.toContain("unknown key");
    expect(err).not.toContain("expected");
  });
}
