/**
 * Builds dist/std-fpm, one executable with Bun's runtime in it: `bun run build.ts [OUTFILE [TARGET]]`, for this machine unless told
 * "bun-linux-x64", "bun-linux-arm64" or "bun-linux-x64-musl".
 *
 * The executable may run as root in any folder and any environment, so it must not take code or settings from either.
 */
import { chmod, mkdir, rename, rm } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";

/** Environment variables through which the runtime would run other code than ours, before the first line of ours. */
const RUNTIME_VARIABLES = ["BUN_OPTIONS", "BUN_BE_BUN", "BUN_INSPECT"];

/**
 * What the runtime says when it crashes. Without /proc it does that at once, before the first line of ours, as it looks there for its stack
 * (Bun 1.4.5): the reader learns that, in as many bytes.
 */
const CRASH_TEXT = `Bun has crashed. This indicates a bug in Bun, not your code.

To send a redacted crash report to Bun's team,
please file a GitHub issue using the link below:

`;
const OUR_CRASH_TEXT = `its runtime, Bun, has crashed. It does so where there is no /proc:
mount it with: mount -t proc proc /proc
If there is one, please report the link below:`;

/** The modules that threads run, below src. */
const THREADS = [
  "start/starter-thread.ts",
  "base/disk-thread.ts",
  "backend/accept-thread.ts",
  "backend/pipe-thread.ts",
  "base/readiness-thread.ts",
  "daemon/mark-thread.ts",
  "cli/command-line-thread.ts",
];

const MUSL = "libc.musl-x86_64.so.1";

const target = process.argv[3] as Bun.Build.CompileTarget | undefined;
const outfile = resolve(process.argv[2] ?? `${import.meta.dir}/dist/std-fpm`);
const draft = `${outfile}.draft-${process.pid}`;

await mkdir(dirname(outfile), { recursive: true });
try {
  await compile(draft);
  await changeTexts(draft);
  await chmod(draft, 0o755);
  await rename(draft, outfile);
} finally {
  // The source maps are in the executable too.
  const maps = [
    `${draft}.map`,
    ...THREADS.map((path) => `${dirname(draft)}/${basename(path, ".ts")}.js.map`),
  ];
  for (const left of [draft, ...maps]) await rm(left, { force: true });
}

async function compile(path: string): Promise<void> {
  await Bun.build({
    entrypoints: [
      `${import.meta.dir}/src/main.ts`,
      ...THREADS.map((path) => `${import.meta.dir}/src/${path}`),
    ],
    compile: {
      outfile: path,
      ...(target === undefined ? {} : { target }),
      // Without these two a .env or bunfig.toml in the working folder would be obeyed; a bunfig.toml can run code.
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
    // Where the target has another C library: its name for the dynamic linker.
    define: target?.endsWith("-musl") ? { C_LIBRARY: JSON.stringify(MUSL) } : {},
    minify: true,
    // A command of a moment needs a quarter of the time, a daemon 6 MiB less: nothing is parsed at the start.
    bytecode: true,
    format: "esm",
    sourcemap: "inline",
  });
}

async function changeTexts(path: string): Promise<void> {
  const bytes = Buffer.from(await Bun.file(path).arrayBuffer());
  muteVariables(bytes);
  replaceText(bytes, CRASH_TEXT, `${OUR_CRASH_TEXT.padEnd(CRASH_TEXT.length - 2)}\n\n`);
  await Bun.write(path, bytes);
}

/**
 * Makes the runtime deaf to RUNTIME_VARIABLES: in its own text their names begin with "=" then, which no environment can hold. Bun
 * 1.4.5 has no option for it, and they act before any code of ours could refuse them. Lengths stay, so nothing else moves.
 */
function muteVariables(bytes: Buffer): void {
  for (const name of RUNTIME_VARIABLES) replaceText(bytes, name, `=${name.slice(1)}`);
}

function replaceText(bytes: Buffer, text: string, other: string): void {
  if (other.length !== text.length) throw new Error(`${other} has another length than ${text}`);
  let at = bytes.indexOf(text);
  if (at === -1) throw new Error(`the runtime does not know ${text} any more: look at build.ts again`);
  for (; at !== -1; at = bytes.indexOf(text, at)) bytes.write(other, at, "latin1");
}
