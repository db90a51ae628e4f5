import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { loadConfig } from "../../src/config/load.ts";
import { mayOverlap } from "../../src/config/overlaps.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";

let dir: TempDir;

beforeAll(() => {
  dir = makeTempDir();
  writeFileSync(dir.at("php-cgi"), "", { mode: 0o755 });
  mkdirSync(dir.at("releases/1"), { recursive: true });
  symlinkSync("releases/1", dir.at("current"));
});
afterAll(() => dir[Symbol.dispose]());

/** With the folder as F, and PHP as php. */
async function warningsOf(text: string): Promise<string[]> {
  const file = dir.at("main.toml");
  writeFileSync(file, `server.include = ""\n${text.replaceAll("F/", `${dir.path}/`)}`);
  return (await loadConfig({ file })).warnings.map((line) => line.replaceAll(dir.path, "F"));
}

const php = 'command = ["F/php-cgi"]';
const table = (...lines: string[]) => `[[apps]]\n${lines.join("\n")}\n`;

describe("a command that inherits the default extensions", () => {
  const inherits =
    'with the default extensions F/php-cgi gets the files that end in .fcgi, .fpl, and may show what they hold; all others are answered with 404: set extensions = [".php"] there';

  test.each(["/srv/www/**", "/srv/www/*", "/srv/{a/**,b/*.fcgi}", "**/*"])("of %s", async (match) => {
    expect(await warningsOf(table(`match = "${match}"`, php))).toEqual([`apps[0].command: ${inherits}`]);
  });

  test("of [app], too, and of other interpreters with other words", async () => {
    expect(await warningsOf(`[app]\n${php}`)).toEqual([`app.command: ${inherits}`]);
    expect(await warningsOf(`[app]\n${php}\nextensions = [".php"]`)).toEqual([]);
    expect((await warningsOf(table('match = "/srv/**"', 'command = ["/bin/sh"]')))[0]).toEndWith(
      "set `extensions` there to the endings of its files, or any_path = true where it needs none",
    );
  });

  test.each([
    ["its match fixes the ending", table('match = "/srv/**/*.fcgi"', php)],
    ["of several endings, too", table('match = "/srv/**/*.{fcgi,fpl}"', php)],
    ["the match is one file", table('match = "F/php-cgi"', php)],
    ["it says the same itself", table('match = "/srv/**"', 'extensions = [".fcgi", ".fpl"]', php)],
    ["[app] has others", `[app]\nextensions = [".php"]\n${table('match = "/srv/**"', php)}`],
    ["it needs no file", table('match = "/srv/**"', "any_path = true", 'command = ["/bin/sh"]')],
    [
      "another table there has them",
      table('match = "/srv/**"', php) + table('match = "**/*.php"', 'extensions = [".php"]'),
    ],
  ])("is not pointed out where %s", async (_why, text) => {
    expect(await warningsOf(text)).toEqual([]);
  });
});

describe("what another table may set for some of the paths is not said to be missing", () => {
  test.each([
    [
      "the extensions, of a narrower table after it",
      table('match = "**/*.php"', 'request_timeout = "5m"') +
        table('match = "/srv/www/**"', 'extensions = [".php"]', php),
    ],
    [
      "the extensions, of a table before it",
      table('match = "/srv/www/**"', 'extensions = [".php"]', php) + table('match = "**/*.php"'),
    ],
    [
      "the extensions, where a link leads",
      table('match = "F/current/*.php"') + table('match = "F/releases/1/**"', 'extensions = [".php"]', php),
    ],
    [
      "any_path",
      table('match = "**/*.php"') + table('match = "/srv/**"', "any_path = true", 'command = ["/bin/sh"]'),
    ],
    [
      "the roots",
      `[app]\nroots = ["F/current"]\n${table('match = "/usr/**"')}${table('match = "/usr/lib/**"', "roots = []")}`,
    ],
    [
      "the command that a name is for",
      table('match = "/srv/**"', 'name = "x"') + table('match = "/srv/www/*"', 'extensions = [".php"]', php),
    ],
    [
      "the protocol that a setting is for",
      table('match = "/srv/**"', 'protocol = "cgi"', "max_requests = 5") +
        table('match = "/srv/www/*.fcgi"', 'protocol = "fastcgi"'),
    ],
    [
      "the protocol, for what [app] says",
      `app.stderr = "client"\n${table('match = "/srv/**"', 'protocol = "cgi"')}`,
    ],
    [
      "the user, for what [app] says",
      `app.lowest_uid = 500\n${table('match = "/srv/**"', 'user = "owner"')}`,
    ],
  ])("%s", async (_what, text) => {
    expect(await warningsOf(text)).toEqual([]);
  });

  test("but is where that table is elsewhere, for another role, or goes behind", async () => {
    const missing = async (other: string, own = "") =>
      (await warningsOf(table('match = "/srv/a/*.php"', ...own.split("\n")) + other)).filter((each) =>
        each.startsWith("apps[0].match: every request is answered with 404"),
      );
    const extensions = 'extensions = [".php"]';
    expect(await missing(table('match = "/srv/b/**"', extensions))).toHaveLength(1);
    expect(await missing(table('match = "/srv/**/*.pl"', extensions))).toHaveLength(1);
    expect(
      await missing(table('match = "/srv/**"', extensions, 'role = "authorizer"'), 'role = "responder"'),
    ).toHaveLength(1);
    const first = table('match = "/srv/**"', extensions);
    expect(await warningsOf(first + table('match = "/srv/*.php"', 'extensions = [".pl"]'))).toHaveLength(1);
  });
});

test("an authorizer is judged by what holds in its role", async () => {
  const auth = table(
    'match = "/srv/**/*.html"',
    'role = "authorizer"',
    'name = "auth"',
    "any_path = true",
    'command = ["/bin/sh"]',
  );
  expect(await warningsOf(auth)).toEqual([]);
  const own = table(
    'match = "/srv/**/*.html"',
    'role = "authorizer"',
    'name = "auth"',
    'extensions = [".html"]',
    'command = ["/bin/sh"]',
  );
  expect(await warningsOf(own)).toEqual([]);
  expect((await warningsOf(table('match = "/srv/*.html"', 'role = "authorizer"')))[0]).toContain("404");
});

test("a match without a pattern whose file does not exist is pointed out", async () => {
  expect(await warningsOf(table('match = "F/none.fcgi"'))).toEqual([
    "apps[0].match: there is no file F/none.fcgi",
  ]);
  expect(await warningsOf(table('match = "F/php-cgi"'))).toEqual([]);
});

test("a match whose ending is a pattern is judged by all that it covers", async () => {
  for (const [match, extensions] of [
    ["/srv/**/*.*", ".fcgi"],
    ["/srv/*.ph?", ".php"],
    ["/srv/*.p*", ".php"],
    ["/srv/*.[fc]gi", ".cgi"],
    ["/srv/*.me", "run.me"],
    ["/srv/{a,b}/*.[a-z]*", ".php"],
  ])
    expect(await warningsOf(`app.extensions = ["${extensions}"]\n${table(`match = "${match}"`)}`)).toEqual(
      [],
    );
  expect((await warningsOf(table('match = "/srv/*.ph?"')))[0]).toEndWith(
    "set `extensions` there to the endings of these files",
  );
});

test("extensions and alternatives are shown so that they can be written", async () => {
  expect(
    (await warningsOf(`app.extensions = ["", ".fcgi"]\n${table('match = "/srv/**/.php"')}`))[0],
  ).toContain('has one of the extensions "", .fcgi; set');
  expect((await warningsOf(table('match = "/srv/**/*.(php|phtml)"')))[0]).toEndWith(
    'alternatives are written in braces: "/srv/**/*.{php,phtml}"',
  );
});

test("settings for another protocol, or another user, are pointed out", async () => {
  expect(await warningsOf('[app]\nstderr = "both"\nlowest_uid = 500')).toEqual([
    'app.stderr: it is for protocol = "cgi"; of FastCGI programs log_stderr decides',
    'app.lowest_uid: it means nothing without user = "owner"',
  ]);
  expect(await warningsOf(table('match = "/srv/**"', 'stderr = "both"', "lowest_uid = 500"))).toHaveLength(2);
  expect(
    await warningsOf(`[app]\nprotocol = "cgi"\nuser = "owner"\nlowest_uid = 500\nstderr = "both"`),
  ).toEqual([]);
});

test.each([
  ["/srv/**", "/srv/a/*.php", true],
  ["**/*.php", "/srv/**", true],
  ["/srv/a/**", "/srv/b/**", false],
  ["/srv/**/*.php", "/srv/**/*.pl", false],
  ["/srv/x.php", "/**/*.php", true],
  ["/srv/x.php", "/srv/x.pl", false],
  ["/srv/x.php", "/srv/x.php", true],
])("%s and %s may overlap: %p", (one, other, expected) => {
  const absolute = (glob: string) => (glob.startsWith("/") ? glob : `/${glob}`);
  expect(mayOverlap(absolute(one), absolute(other))).toBe(expected);
  expect(mayOverlap(absolute(other), absolute(one))).toBe(expected);
});
