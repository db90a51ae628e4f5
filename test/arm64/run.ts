/**
 * Runs tests of test/integration with the executable for arm64 in an emulator: `bun test/arm64/run.ts [FILE…]`, all of FILES unless told.
 * Ends with status 1 where one fails.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { LEFT_OUT } from "./left-out.ts";

const EXECUTABLE = "dist/arm64/std-fpm";
const FILES = [
  ...["programs", "methods", "protocol", "streaming", "launch"],
  ...["reload", "upgrade", "upgrade-start", "limits", "cgi", "cgi-output", "slow-log", "tracer"],
];
/** A start takes two seconds of a core there, and a machine may have others to care for. */
const TIME_FACTOR = 6;
const TEST_MS = 240_000;
/** Of about a hundred hand-overs in the emulator two came to nothing, and no cause has been found. */
const RETRIES = 1;
/** How Debian's qemu-user-static is told to the kernel. */
const FORMAT = "/usr/lib/binfmt.d/qemu-aarch64.conf";
const BINFMT = "/proc/sys/fs/binfmt_misc";

register();
const wanted = process.argv.slice(2);
const failed = (wanted.length > 0 ? wanted : FILES).filter((file) => !passes(file));
for (const { reason, tests } of LEFT_OUT)
  for (const [file, names] of Object.entries(tests))
    for (const name of names) process.stdout.write(`left out: ${file}: ${name}: ${reason}\n`);
if (failed.length > 0) throw new Error(`failed with ${EXECUTABLE}: ${failed.join(", ")}`);

/** Has the kernel run executables for arm64 by the emulator, which lasts until the machine is started anew. */
function register(): void {
  if (runs()) return;
  if (!existsSync(`${BINFMT}/register`)) Bun.spawnSync(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT]);
  let why = "it has been registered, and still they do not run";
  try {
    writeFileSync(`${BINFMT}/register`, readFileSync(FORMAT));
  } catch (error) {
    why = String(error);
  }
  if (!runs())
    throw new Error(
      `executables for arm64 do not run here: ${FORMAT} is to be written to ${BINFMT}/register, which takes root and binfmt_misc in the kernel: ${why}`,
    );
}

function runs(): boolean {
  try {
    return Bun.spawnSync([EXECUTABLE, "--version"]).exitCode === 0;
  } catch {
    return false;
  }
}

function passes(file: string): boolean {
  const path = `./test/integration/${file}.test.ts`;
  const { exitCode } = Bun.spawnSync(
    [
      ...[process.execPath, "test", "--timeout", String(TEST_MS), "--retry", String(RETRIES)],
      ...["--reporter=junit", `--reporter-outfile=dist/test-results/arm64-${file}.xml`],
      ...["-t", allBut(leftOutOf(file)), path],
    ],
    {
      env: { ...process.env, STD_FPM: resolve(EXECUTABLE), TIME_FACTOR: String(TIME_FACTOR) },
      stdio: ["ignore", "inherit", "inherit"],
    },
  );
  return exitCode === 0;
}

function leftOutOf(file: string): string[] {
  const names = LEFT_OUT.flatMap(({ tests }) => tests[file] ?? []);
  const text = readFileSync(`test/integration/${file}.test.ts`, "utf8");
  for (const name of names)
    if (!text.includes(name)) throw new Error(`${file} has no test any more that is left out: ${name}`);
  return names;
}

/** A pattern for the names of all other tests. */
function allBut(names: readonly string[]): string {
  const texts = names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return names.length === 0 ? "" : `^(?!.*(${texts.join("|")}))`;
}
