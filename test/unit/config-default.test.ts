import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { TObject } from "@sinclair/typebox";
import { adminSchema } from "../../src/config/admin-schema.ts";
import { appSchema } from "../../src/config/app-schema.ts";
import { checkFile } from "../../src/config/check.ts";
import defaultText from "../../src/config/default.toml" with { type: "text" };
import { annotationsOf } from "../../src/config/keys.ts";
import {
  accessLogSchema,
  appsSchema,
  logSchema,
  matchSchema,
  roleSchema,
  slowLogSchema,
  tableNameSchema,
} from "../../src/config/schema.ts";
import { serverSchema } from "../../src/config/server-schema.ts";
import { defaultTables } from "../../src/config/tables.ts";

const tables: [string, TObject][] = [
  ["server", serverSchema],
  ["log", logSchema],
  ["access_log", accessLogSchema],
  ["slow_log", slowLogSchema],
  ["admin", adminSchema],
  ["app", appSchema],
];

describe("the bundled default", () => {
  test("it is a good configuration file", () => {
    expect(checkFile(Bun.TOML.parse(defaultText))).toEqual([]);
  });

  test("it has every key, with the value that holds without it", () => {
    const { apps: _, ...defaults } = defaultTables();
    expect(Bun.TOML.parse(defaultText)).toEqual(defaults);
  });

  test("every key has a comment above it, its own or that of the key before it", () => {
    const lines: string[] = defaultText.split("\n");
    for (const [, schema] of tables) {
      for (const key of Object.keys(schema.properties)) {
        const at = lines.findIndex((line) => line.startsWith(`${key} = `));
        const isPair = lines[at - 1]?.startsWith("listen_owner") || key === "ping_path";
        expect(lines[isPair ? at - 2 : at - 1]).toStartWith("# ");
      }
    }
  });

  test("its example of [[apps]] is right when the marks are taken away", () => {
    const example = defaultText.slice(defaultText.indexOf("# [[apps]]")).replaceAll(/^# /gm, "");
    expect(checkFile(Bun.TOML.parse(example))).toEqual([]);
  });

  test("[[apps]] knows every key of [app], match, name and role", () => {
    expect(Object.keys(appsSchema.properties).sort()).toEqual(
      [...Object.keys(appSchema.properties), "match", "name", "role"].sort(),
    );
  });
});

describe("docs/configuration.md", () => {
  test("it has a row for every key, made of the schema", async () => {
    const page = await Bun.file(join(import.meta.dir, "../../docs/configuration.md")).text();
    for (const [table, schema] of tables) {
      const section = page.slice(page.indexOf(`## [${table}]`));
      for (const [key, property] of Object.entries(schema.properties)) {
        const { default: fallback, description } = annotationsOf(property);
        const value = JSON.stringify(fallback);
        expect(section).toContain(`| \`${key}\` | \`${value}\` | ${description} |`);
      }
    }
    for (const [key, schema] of Object.entries({ match: matchSchema, name: tableNameSchema }))
      expect(page).toContain(`| \`${key}\` | | ${annotationsOf(schema).description} |`);
    expect(page).toContain(`| \`role\` | \`"any"\` | ${annotationsOf(roleSchema).description} |`);
  });
});
