import { describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, normalize, resolve } from "node:path";
import { makeTempDir } from "./support/temp-dir.ts";

/** A folder of src imports only itself and the folders above it in this table, or those named in its line. */
const LAYERS: readonly (readonly [folder: string, onlyFrom?: readonly string[]])[] = [
  ["base"],
  ["config"],
  ["fcgi", ["base"]],
  ["start", ["base", "config"]],
  ["backend"],
  ["pool"],
  ["route"],
  ["relay"],
  ["reply"],
  ["status"],
  ["slow"],
  ["front"],
  ["admin"],
  ["daemon"],
  ["client", ["base", "fcgi"]],
  ["dev"],
  ["cli"],
  ["main.ts"],
];

/** What decides and does nothing: no system, no clock, no I/O. A folder ends in a slash. */
const PURE = [
  "fcgi/",
  "route/",
  "reply/",
  "status/",
  "config/schema.ts",
  "config/server-schema.ts",
  "config/app-schema.ts",
  "config/admin-schema.ts",
  "config/keys.ts",
  "config/access-format.ts",
  "config/program-path.ts",
  "config/units.ts",
  "config/changed-keys.ts",
  "backend/states.ts",
  "start/program.ts",
  "start/owner-rules.ts",
  "backend/exit.ts",
  "backend/conduct.ts",
  "daemon/control-group.ts",
  "pool/policy.ts",
  "pool/cap.ts",
  "pool/measures.ts",
  "pool/demand.ts",
  "pool/sharing.ts",
  "pool/recycling.ts",
  "pool/relief.ts",
  "pool/succession.ts",
  "pool/tally.ts",
  "pool/tallies.ts",
  "slow/process-facts.ts",
  "slow/proc-text.ts",
  "slow/socket-table.ts",
  "base/system-calls.ts",
  "slow/cause.ts",
  "slow/slow-report.ts",
  "front/request.ts",
  "relay/answer-head.ts",
  "relay/body-limit.ts",
];
/** What a pure module may take from base by value; types it may take from anywhere above. */
const PURE_BASE = [
  "base/errors.ts",
  "base/byte-queue.ts",
  "base/path-pattern.ts",
  "base/remembering.ts",
  "base/socket-path.ts",
  "base/utf8.ts",
  "base/histogram.ts",
  "base/system-calls.ts",
  "base/escape-controls.ts",
  "base/state-table.ts",
  "base/variable-names.ts",
];
/** What runs in a browser. */
const BROWSER = "src/admin/dashboard/";
/** What is run and not imported: importing it does everything. */
const ENTRIES = [
  "src/main.ts",
  "src/start/starter-thread.ts",
  "src/base/disk-thread.ts",
  "src/backend/accept-thread.ts",
  "src/backend/pipe-thread.ts",
  "src/base/readiness-thread.ts",
  "src/daemon/mark-thread.ts",
  "src/cli/command-line-thread.ts",
  `${BROWSER}main.ts`,
];
const IMPURE_GLOBALS = ["Bun", "process", "performance", "Date", "setTimeout", "setInterval", "setImmediate"];

const MAX_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 50;
const VAGUE_NAMES = ["utils", "util", "helpers", "helper", "types", "index", "common", "misc"];

interface Import {
  readonly from: string;
  readonly isTypeOnly: boolean;
}

const sources = filesBelow("src", "**/*.ts");
const everything = [...sources, ...filesBelow("test", "**/*.ts"), ...filesBelow("bench", "**/*.ts")];
const pageParts = filesBelow("src", "**/*.{html,css}");

describe("the source", () => {
  test("has modules to look at", () => {
    expect(sources.length).toBeGreaterThan(20);
  });

  test("has only the folders of the table of layers", () => {
    const known = LAYERS.map(([folder]) => folder);
    expect(sources.filter((file) => !known.includes(layerOf(file)))).toEqual([]);
  });

  test("imports only downwards", () => {
    const wrong = sources.flatMap((file) => {
      const allowed = allowedFor(layerOf(file));
      const upwards = localImports(file).filter(({ from }) => !allowed.includes(layerOf(from)));
      return upwards.map(({ from }) => `${file} imports ${from}`);
    });
    expect(wrong).toEqual([]);
  });

  test("has no import circles, of types either", () => {
    expect(circlesAmong(sources)).toEqual([]);
  });

  test("keeps the pure modules free of the system", () => {
    const wrong = sources.filter(isPure).flatMap((file) => {
      const impure = importsOf(file).filter((each) => !mayPureImport(file, each));
      return impure.map(({ from }) => `${file} imports ${from}`);
    });
    expect(wrong).toEqual([]);
  });

  test("gives a browser nothing that it does not have", () => {
    const pages = sources.filter((file) => file.startsWith(BROWSER));
    const wrong = pages.flatMap((file) => {
      const foreign = importsOf(file).filter((each) => !mayBrowserImport(each));
      return foreign.map(({ from }) => `${file} imports ${from}`);
    });
    expect([pages.length > 5, wrong]).toEqual([true, []]);
  });

  test("has no function over 50 lines, no default export, no enum, and no clock or system in pure modules", async () => {
    expect(await lintArchitecture()).toEqual([]);
  });

  test("has no file over 400 lines", () => {
    const long = [...everything, ...pageParts].filter((file) => linesOf(file) > MAX_FILE_LINES);
    expect(long.map((file) => `${file}: ${linesOf(file)} lines`)).toEqual([]);
  });

  test("has no file with a name that says nothing", () => {
    expect(everything.filter((file) => VAGUE_NAMES.includes(basename(file, ".ts")))).toEqual([]);
  });

  test("has file names in kebab-case", () => {
    const name = /^[a-z0-9]+(-[a-z0-9]+)*(\.test|\.d)?\.ts$/;
    expect(everything.filter((file) => !name.test(basename(file)))).toEqual([]);
  });

  test("does nothing when a module is imported: no output, no timer, no open handle", async () => {
    const modules = sources.filter((file) => !ENTRIES.includes(file));
    const problems: string[] = [];
    const next = modules.values();
    const worker = async () => {
      for (const file of next) problems.push(...(await problemsOfLoading(file)));
    };
    await Promise.all([worker(), worker(), worker()]);
    expect(problems).toEqual([]);
  }, 60_000);
});

test("no test is skipped, left to do or run alone", () => {
  const modifier = /\b(test|it|describe)\s*\.\s*(skip|skipIf|todo|todoIf|only|if|failing)\b/;
  const tests = filesBelow("test", "**/*.test.ts");
  expect(tests.filter((file) => modifier.test(readFileSync(file, "utf8")))).toEqual([]);
});

function filesBelow(folder: string, pattern: string): string[] {
  return [...new Bun.Glob(pattern).scanSync(folder)].map((name) => join(folder, name)).sort();
}

/** The folder of src that a file is in, or "main.ts". */
function layerOf(file: string): string {
  return file.split("/")[1] ?? "";
}

function allowedFor(layer: string): string[] {
  const at = LAYERS.findIndex(([folder]) => folder === layer);
  const onlyFrom = LAYERS[at]?.[1];
  return [...(onlyFrom ?? LAYERS.slice(0, at).map(([folder]) => folder)), layer];
}

function isPure(file: string): boolean {
  const name = file.slice("src/".length);
  return PURE.some((each) => (each.endsWith("/") ? name.startsWith(each) : name === each));
}

function mayPureImport(file: string, { from, isTypeOnly }: Import): boolean {
  if (/^(bun|bun:.*|node:.*)$/.test(from)) return false;
  if (isTypeOnly || !from.startsWith("src/")) return true;
  if (layerOf(from) === "base") return PURE_BASE.includes(from.slice("src/".length));
  return isPure(from) || layerOf(from) === layerOf(file);
}

function mayBrowserImport({ from, isTypeOnly }: Import): boolean {
  if (isTypeOnly || from.startsWith(BROWSER)) return true;
  return from.startsWith("src/") && (isPure(from) || PURE_BASE.includes(from.slice("src/".length)));
}

/** Modules that import each other, directly or by others: each circle that is found first, as a path back to where it begins. */
function circlesAmong(files: readonly string[]): string[] {
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: readonly string[]) => {
    const at = path.indexOf(file);
    if (at !== -1) circles.push([...path.slice(at), file].join(" -> "));
    if (at !== -1 || done.has(file)) return;
    for (const { from } of localImports(file)) if (files.includes(from)) visit(from, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  return circles;
}

function localImports(file: string): Import[] {
  return importsOf(file).filter(({ from }) => from.startsWith("src/"));
}

/** What a file imports: paths of the project's own files, names of packages. Type imports count. */
function importsOf(file: string): Import[] {
  const source = withoutComments(readFileSync(file, "utf8"));
  const statement = /\b(?:import|export)\s+(type\s)?[^;"'()]*?\bfrom\s*"([^"]+)"|\bimport\s*\(?\s*"([^"]+)"/g;
  return [...source.matchAll(statement)].map(([, isType, named, bare]) => {
    const specifier = named ?? bare ?? "";
    const from = specifier.startsWith(".") ? normalize(join(dirname(file), specifier)) : specifier;
    return { from, isTypeOnly: isType !== undefined };
  });
}

function withoutComments(source: string): string {
  return source.replace(/^\s*\/\/.*$|\/\*[\s\S]*?\*\//gm, "");
}

function linesOf(file: string): number {
  return readFileSync(file, "utf8").trimEnd().split("\n").length;
}

/** What biome finds with the rules of the architecture alone. */
async function lintArchitecture(): Promise<string[]> {
  using dir = makeTempDir();
  const globals = Object.fromEntries(IMPURE_GLOBALS.map((name) => [name, "a pure module gets it handed in"]));
  const config = {
    root: true,
    linter: {
      rules: {
        preset: "none",
        complexity: {
          noExcessiveLinesPerFunction: { level: "error", options: { maxLines: MAX_FUNCTION_LINES } },
        },
        style: { noDefaultExport: "error", noEnum: "error" },
      },
    },
    overrides: [
      {
        includes: PURE.map((each) => `**/src/${each}${each.endsWith("/") ? "**" : ""}`),
        linter: {
          rules: {
            style: { noRestrictedGlobals: { level: "error", options: { deniedGlobals: globals } } },
          },
        },
      },
    ],
  };
  writeFileSync(dir.at("biome.json"), JSON.stringify(config));
  const lint = Bun.spawn(
    [
      "node_modules/.bin/biome",
      "lint",
      `--config-path=${dir.path}`,
      "--reporter=json",
      "--max-diagnostics=none",
      "src",
    ],
    { stdout: "pipe", stderr: "ignore" },
  );
  const report = (await new Response(lint.stdout).json()) as LintReport;
  expect(report.summary.unchanged).toBeGreaterThanOrEqual(sources.length);
  const found = report.diagnostics.filter(({ category }) => !category.startsWith("suppressions/"));
  return found.map(({ location, message }) => `${location.path}:${location.start.line}: ${message}`);
}

interface LintReport {
  summary: { unchanged: number };
  diagnostics: { category: string; message: string; location: { path: string; start: { line: number } } }[];
}

/** Imports a module in a process of its own, which must then end by itself, silently. */
async function problemsOfLoading(file: string): Promise<string[]> {
  const child = Bun.spawn([process.execPath, "-e", `await import(${JSON.stringify(resolve(file))})`], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 10_000,
  });
  const output = (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
  const code = await child.exited;
  if (code !== 0)
    return [`${file} does not load, or keeps the process alive: ${child.signalCode ?? code} ${output}`];
  return output === "" ? [] : [`${file} prints: ${output}`];
}
