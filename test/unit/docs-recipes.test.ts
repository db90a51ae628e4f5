import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { RECIPE_SERVERS } from "../servers/recipe-site.ts";
import { RECIPES } from "../servers/recipes.ts";

const manual = readFileSync("docs/recipes.md", "utf8");
const files = readdirSync("examples/recipes");

test.each(files)("docs/recipes.md shows %s as it is", (file) => {
  expect(manual).toContain(`\n${readFileSync(`examples/recipes/${file}`, "utf8")}\`\`\`\n`);
});

test("the folder whose files the Plack recipe watches is in the release that it shows", () => {
  const { apps } = Bun.TOML.parse(readFileSync("examples/recipes/psgi.toml", "utf8")) as {
    apps: { restart_on_change: string[] }[];
  };
  const patterns = apps.flatMap((table) => table.restart_on_change).filter((each) => each.includes("*"));
  expect(patterns).not.toEqual([]);
  for (const pattern of patterns) {
    const folder = pattern.replace("/current/", "/releases/1/").replace(/[^/]*\*.*$/, "");
    expect(manual).toContain(`\n\`${folder}`);
  }
});

test("every recipe has the configuration of each web server, and is tested", () => {
  const expected = RECIPES.flatMap(({ name }) => [
    `${name}.toml`,
    ...RECIPE_SERVERS.map((server) => `${name}.${server}.conf`),
  ]);
  expect(files.filter((file) => /\.(?:toml|conf)$/.test(file)).sort()).toEqual(expected.sort());
});
