import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LANGUAGE_CASES } from "../languages/cases.ts";
import { LANGUAGES } from "../languages/languages.ts";
import { AUTHORIZER_CASES } from "../servers/authorizer-cases.ts";
import { AUTHORIZER_WAYS } from "../servers/authorizer-site.ts";
import { SERVER_CASES } from "../servers/cases.ts";
import { exampleOf, RECIPES, ROWS } from "../servers/recipes.ts";
import { WAYS } from "../servers/ways.ts";

const DOC = readFileSync("docs/compatibility.md", "utf8");

const TABLES = [
  ["servers", WAYS, SERVER_CASES],
  [
    "recipes",
    RECIPES.map(({ name }) => ({ example: exampleOf(name) })),
    Object.values(ROWS).map((name) => ({ name })),
  ],
  ["authorizers", AUTHORIZER_WAYS, AUTHORIZER_CASES],
  ["languages", LANGUAGES, LANGUAGE_CASES],
] as const;

/** The cells of a table, line by line, without the line of dashes. */
function tableOf(name: string): string[][] {
  const text = DOC.split(`<!-- table: ${name} -->\n`)[1]?.split("<!-- end -->")[0] ?? "";
  const lines = text
    .trim()
    .split("\n")
    .filter((line) => !line.startsWith("| ---"));
  return lines.map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

test.each(TABLES)("the table of %s has the columns and rows of the tests", (name, columns, cases) => {
  const [heads = [], ...rows] = tableOf(name);
  const links = heads.slice(1).map((head) => /\(\.\.\/examples\/(.+?)\)/.exec(head)?.[1]);
  expect(links).toEqual(columns.map(({ example }) => example));
  expect(rows.map(([first]) => first)).toEqual(cases.map((each) => each.name));
});

test.each(TABLES)("every cell in the table of %s says that a test has passed", (name) => {
  const [heads = [], ...rows] = tableOf(name);
  for (const row of rows) {
    expect(row.length).toBe(heads.length);
    expect(row.filter((cell) => cell === "" || cell.includes("✗"))).toEqual([]);
  }
});

test("every example of a web server is tested, and its page of the manual shows it", () => {
  const files = readdirSync("examples/servers");
  const tested = [...WAYS, ...AUTHORIZER_WAYS].map(({ example }) => example.replace("servers/", ""));
  // Tested by a test of its own.
  const others = ["authorizer.toml", "nginx-two-instances.conf"];
  expect([...tested, ...others].sort()).toEqual(files.sort());
  const manual = readFileSync("docs/servers.md", "utf8");
  expect(files.filter((file) => !manual.includes(`(../examples/servers/${file})`))).toEqual([]);
});

test("every program of an example that is tested exists, as it is or as its source", () => {
  const programs = LANGUAGES.flatMap(({ hello, env, upload }) => [hello, env, upload]);
  const missing = programs.filter((program) => {
    const source = program.replace(/\.fcgi$/, "");
    return ![program, `${source}.c`, `${source}.cpp`, `${source}.go`].some((file) => {
      return existsSync(join("examples", file));
    });
  });
  expect(missing).toEqual([]);
});
