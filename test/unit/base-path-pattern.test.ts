import { expect, test } from "bun:test";
import { alternativesOf, patternProblem } from "../../src/base/path-pattern.ts";

test.each([
  ["/a/{b,c}", ["/a/b", "/a/c"]],
  ["/a/{b,c{d,e}}/x", ["/a/b/x", "/a/cd/x", "/a/b/x", "/a/ce/x"]],
  ["/a/\\{b,c}", ["/a/\\{b,c}"]],
  ["/a/[{]b,c}", ["/a/[{]b,c}"]],
  ["/a/{[,x],y}", ["/a/[,x]", "/a/y"]],
  ["/a/{b\\,c,d}", ["/a/b\\,c", "/a/d"]],
])("%s stands for %j", (pattern, expected) => {
  expect(alternativesOf(pattern)).toEqual(expected);
  // As the runtime has it.
  const glob = new Bun.Glob(pattern);
  expect(
    expected
      .map((each) => each.replaceAll(/\\|\[[{,x]+\]/g, (it) => (it === "\\" ? "" : it.charAt(1))))
      .every((path) => glob.match(path)),
  ).toBe(true);
});

test.each([
  ["/srv/www/**.php", "/srv/www/**/*.php"],
  ["**.php", "**/*.php"],
  ["/srv/a**", "/srv/a*/**"],
  ["/srv/a**.php", "/srv/a*/**/*.php"],
  ["/srv/***/x", "/srv/**/x"],
  ["/srv/**a**/x", "/srv/**/*a*/x"],
  ["/srv/{**,b}.php", "/srv/**/*.php"],
])("of %s it is told to write %s", (pattern, right) => {
  expect(patternProblem(pattern)).toContain(
    `"**" stands for folders only as a whole part of a path; write "${right}"`,
  );
  expect(patternProblem(right)).toBeUndefined();
});

test.each([
  ["/srv/{a,b", '"/srv/{a,b": a "{" has no "}" after it; for the character itself write \\{'],
  ["/srv/{a,{b}", 'a "{" has no "}"'],
  ["/srv/[a-", '"/srv/[a-": the "[" has no "]" after it; for the character itself write \\['],
  ["/srv/[]", 'the "[" has no "]"'],
])("%s lacks its end", (pattern, expected) => {
  expect(patternProblem(pattern)).toContain(expected);
});

test.each([
  ["/srv/[z-a]", "z-a"],
  ["/srv/[!a-cz-x]*", "z-x"],
  ["/srv/{a,[9-\\0]}", "9-\\0"],
  ["/srv/[\u00fc-\u00f6]", "\u00fc-\u00f6"],
])("%s has a range that covers nothing", (pattern, range) => {
  expect(patternProblem(pattern)).toContain(`the range ${range} covers nothing`);
});

test.each([
  "/srv/[a-a]",
  "/srv/[a-c-]",
  "/srv/[z\\-a]",
  "/srv/[]-a]",
  "/srv/[-a]",
  "/srv/z-a",
  "/srv/**/*.php",
  "/srv/**",
  "/srv/{a,b{c,d}}/[!a]x",
  "/srv/\\{a\\[b\\*\\*",
  "/srv/[[{*][*]x",
  "/srv/a}b]",
  "/srv/[]]x",
  "/srv/{**,b}/x",
  "/srv/plain",
])("%s is good", (pattern) => {
  expect(patternProblem(pattern)).toBeUndefined();
});
