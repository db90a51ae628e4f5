import { describe, expect, test } from "bun:test";
import { FpmError } from "../../src/base/errors.ts";
import type { Log, LogFields } from "../../src/base/log.ts";
import type { Config } from "../../src/config/config.ts";
import type { LoadedConfig } from "../../src/config/load.ts";
import { resolveTables } from "../../src/config/resolve.ts";
import type { ConfigFile } from "../../src/config/schema.ts";
import { defaultTables, layFile } from "../../src/config/tables.ts";
import { Reloader } from "../../src/daemon/reloader.ts";

/** A reloader whose files are what `next` gives. */
function reloaderOf(next: () => Promise<ConfigFile>, isWanted = () => true) {
  const lines: string[] = [];
  const applied: Config[] = [];
  const line = (level: string) => (message: string, fields?: LogFields) =>
    void lines.push(
      [level, message, ...Object.entries(fields ?? {}).map((field) => field.join("="))].join(" "),
    );
  const log: Log = {
    isDebug: true,
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
  };
  const load = async (): Promise<LoadedConfig> => {
    const tables = layFile(defaultTables(), await next());
    return { tables, config: resolveTables(tables, []), warnings: ["mind this"] };
  };
  const source = { tables: defaultTables(), load, adjustLog: () => {}, reopenLog: async () => undefined };
  const reloader = new Reloader({ source, log, isWanted, apply: (config) => void applied.push(config) });
  return { reloader, lines, applied };
}

/** How it came out, as whoever asked for it is told. */
const told = ({ last: { isDone, message } }: Reloader) => `${isDone ? "done" : "not done"}: ${message}`;

describe("a reload", () => {
  test("is told to whoever asked for it: what has changed, what waits for a restart, or why it failed", async () => {
    let file: ConfigFile | undefined = { server: { listen: "/new.sock", max_processes: 5 } };
    const { reloader } = reloaderOf(async () => {
      if (!file) throw new FpmError("CONFIG_INVALID", "daemon", "/a.toml:1: x");
      return file;
    });
    expect(told(reloader)).toBe("not done: it was not reloaded yet");
    await reloader.reload();
    expect(told(reloader)).toBe(
      "done: the configuration was reloaded; changed: server.listen, server.max_processes; to take effect with a restart: server.listen",
    );
    file = { server: { max_processes: 6 } };
    await reloader.reload();
    expect(told(reloader)).toBe("done: the configuration was reloaded; changed: server.max_processes");
    await reloader.reload();
    expect(told(reloader)).toBe("done: the configuration was reloaded: nothing has changed");
    file = undefined;
    await reloader.reload();
    expect(told(reloader)).toBe("not done: /a.toml:1: x");
  });

  test("says what has changed, what waits for a restart, and what is probably not meant", async () => {
    const file: ConfigFile = { server: { listen: "/new.sock", max_processes: 5 } };
    const { reloader, lines, applied } = reloaderOf(async () => file);
    await reloader.reload();
    expect(applied[0]?.server).toMatchObject({
      maxProcesses: 5,
      listen: [{ kind: "unix", path: "/run/std-fpm/std-fpm.sock" }],
    });
    const restart = "configuration reloaded; some of it takes effect with SIGUSR2 or a restart";
    expect(lines).toEqual([
      "warn mind this",
      `warn ${restart} changed=server.listen, server.max_processes needs_restart=server.listen`,
    ]);
    await reloader.reload();
    expect(lines.at(-1)).toBe(`warn ${restart} changed=server.listen needs_restart=server.listen`);
    file.server = { max_processes: 6 };
    await reloader.reload();
    expect(lines.at(-1)).toBe("info configuration reloaded changed=server.max_processes");
    await reloader.reload();
    expect(lines.at(-1)).toBe("info configuration reloaded: nothing has changed");
  });

  test("of a bad file changes nothing and has a line for each problem", async () => {
    const { reloader, lines, applied } = reloaderOf(() =>
      Promise.reject(new FpmError("CONFIG_INVALID", "daemon", "/a.toml:1: x\n/a.toml:2: y")),
    );
    await reloader.reload();
    expect(applied).toEqual([]);
    expect(lines).toEqual([
      "error /a.toml:1: x code=CONFIG_INVALID",
      "error /a.toml:2: y code=CONFIG_INVALID",
      "error the configuration was not reloaded: everything stays as it was",
    ]);
  });

  test("goes on after one that failed for a reason nobody expected", async () => {
    let isFirst = true;
    const { reloader, applied } = reloaderOf(async () => {
      if (!isFirst) return {};
      isFirst = false;
      throw new TypeError("odd");
    });
    await reloader.reload();
    await reloader.reload();
    expect(applied.length).toBe(1);
  });

  test("asked for again and again while one is under way happens once more after it", async () => {
    const loads: ((file: ConfigFile) => void)[] = [];
    const { reloader, applied } = reloaderOf(() => new Promise((resolve) => loads.push(resolve)));
    const first = reloader.reload();
    for (let i = 0; i < 5; i++) void reloader.reload();
    expect(loads.length).toBe(1);
    loads[0]?.({});
    await Promise.resolve();
    while (loads.length < 2) await new Promise((resolve) => setImmediate(resolve));
    loads[1]?.({});
    await first;
    expect([loads.length, applied.length]).toEqual([2, 2]);
  });

  test("that ends after the stop has begun is dropped", async () => {
    const { reloader, applied, lines } = reloaderOf(
      async () => ({}),
      () => false,
    );
    await reloader.reload();
    expect([applied, lines]).toEqual([[], []]);
    expect(told(reloader)).toBe("not done: std-fpm is stopping");
  });
});
