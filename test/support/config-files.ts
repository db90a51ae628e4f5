import { afterEach, beforeEach, expect } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FpmError } from "../../src/base/errors.ts";
import { type LoadedConfig, loadConfig } from "../../src/config/load.ts";

/** Configurations in files, in a folder of each test's own. */
export function configFiles() {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "std-fpm-config-"));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  async function write(name: string, text: string | Uint8Array): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, text);
    return path;
  }

  /** Loads a main file without the machine's own included files. */
  async function load(text: string): Promise<LoadedConfig> {
    return await loadConfig({ file: await write("main.toml", `server.include = ""\n${text}`) });
  }

  /** What `loadConfig` says about a file, without the file's name before each problem. */
  async function problemsOf(text: string | Uint8Array): Promise<string[]> {
    const file = await write("main.toml", text);
    const error = await failure(file);
    expect(error.code).toBe("CONFIG_INVALID");
    return error.message.split("\n").map((line) => line.replace(file, ""));
  }

  async function failure(file: string): Promise<FpmError> {
    const thrown = await loadConfig({ file }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(thrown).toBeInstanceOf(FpmError);
    return thrown as FpmError;
  }

  return { folder: () => folder, write, load, problemsOf, failure };
}
