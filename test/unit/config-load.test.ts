import { describe, expect, test } from "bun:test";
import { mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { renderTables } from "../../src/config/tables.ts";
import { configFiles } from "../support/config-files.ts";

const { folder, write, load, problemsOf, failure } = configFiles();

describe("a good file", () => {
  test("a file that sets nothing gives the defaults", async () => {
    const { config, warnings } = await load("");
    expect(config.server).toEqual({
      listen: [{ kind: "unix", path: "/run/std-fpm/std-fpm.sock" }],
      listenMode: 0o660,
      listenOwner: "",
      listenGroup: "",
      listenBacklog: 1024,
      allowedClients: [],
      allowedUsers: [],
      runtimeDir: "/run/std-fpm",
      spoolDir: "/var/tmp",
      spoolLimitBytes: 0,
      maxProcesses: 0,
      maxConnections: 0,
      bufferLimitBytes: 0,
      statusPath: "",
      pingPath: "",
      headTimeoutMs: 30_000,
      drainTimeoutMs: 30_000,
    });
    expect(config.log).toEqual({ level: "info", format: "auto", file: "", requestFields: [] });
    expect(config.app.command).toBeUndefined();
    expect(config.app.idleTimeoutMs).toBe(180_000);
    expect(config.app.requestTimeoutMs).toBe(0);
    expect(config.appFor("/anything")).toBe(config.app);
    expect(warnings).toEqual([]);
  });

  test("without any file the defaults stand and no file is named", async () => {
    const { config } = await loadConfig({ defaultFile: join(folder(), "none.toml") });
    expect(config.app.id).toBe("app");
    expect(config.files).not.toContain(join(folder(), "none.toml"));
  });

  test.each(["main", "default", "included"])(
    "an empty %s file is a mistake: a full disk leaves such files",
    async (which) => {
      await mkdir(join(folder(), "conf.d"));
      const path = await write(which === "included" ? "conf.d/a.toml" : "empty.toml", "");
      const including = await write("main.toml", `server.include = "${folder()}/conf.d/*.toml"`);
      const options = { main: { file: path }, default: { defaultFile: path }, included: { file: including } };
      const loading = loadConfig(options[which as keyof typeof options]);
      await expect(loading).rejects.toThrow(`${path}: the file is empty; where nothing is to be set,`);
    },
  );

  test("one that was read before must not have vanished at a reload", async () => {
    await mkdir(join(folder(), "conf.d"));
    const site = await write("conf.d/a.toml", '[[apps]]\nmatch = "/a/**"\nuser = "alice"');
    const file = await write("main.toml", `server.include = "${folder()}/conf.d/*.toml"`);
    const { files: known } = (await loadConfig({ file })).config;
    await rm(site);
    await expect(loadConfig({ file, known })).rejects.toThrow(
      `${site}: the file has vanished since it was read;`,
    );
    await expect(loadConfig({ defaultFile: file, known: [file, site] })).rejects.toThrow(site);
    await write("conf.d/a.toml", "# closed");
    expect((await loadConfig({ file, known })).tables.apps).toEqual([]);
    await rm(file);
    await expect(loadConfig({ defaultFile: file, known })).rejects.toThrow(`${file}: the file has vanished`);
  });

  test("a device without content is named on purpose", async () => {
    expect((await loadConfig({ file: "/dev/null" })).config.files).toContain("/dev/null");
  });

  test("the default file is read when it is there", async () => {
    const file = await write("default.toml", 'log.level = "debug"\nserver.include = ""');
    const { config } = await loadConfig({ defaultFile: file });
    expect(config.log.level).toBe("debug");
    expect(config.files).toEqual([file]);
  });

  test("listen takes a path, IPv4 and IPv6 addresses, one or a list", async () => {
    const { config } = await load('server.listen = ["/run/a.sock", "127.0.0.1:9000", "[::1]:9000"]');
    expect(config.server.listen).toEqual([
      { kind: "unix", path: "/run/a.sock" },
      { kind: "tcp", host: "127.0.0.1", port: 9000 },
      { kind: "tcp", host: "::1", port: 9000 },
    ]);
  });

  test("a byte order mark and Windows line ends are accepted", async () => {
    const file = await write("main.toml", '\ufeff[server]\r\ninclude = ""\r\n[log]\r\nlevel = "warn"\r\n');
    expect((await loadConfig({ file })).config.log.level).toBe("warn");
  });

  test("folders lose needless slashes and dots, so that they compare with canonical paths", async () => {
    const { config } = await load('app.roots = ["/srv//www/./x/../", "/"]');
    expect(config.app.roots).toEqual(["/srv/www", "/"]);
  });

  test("the rendered tables load again to the same configuration", async () => {
    const text = `[app]\nenv = { A = "1", B = "it's \\"x\\"" }\n[[apps]]\nmatch = "/a/**"\nenv = { C = "3" }\n[[apps]]\nmatch = "/b/*"\nmin_processes = 2\n`;
    const first = await load(text);
    const again = await loadConfig({ file: await write("again.toml", renderTables(first.tables)) });
    expect(again.tables).toEqual(first.tables);
    expect(again.config.appFor("/a/x")).toEqual(first.config.appFor("/a/x"));
  });
});

describe("included files", () => {
  async function withInclude(main = ""): Promise<string> {
    await mkdir(join(folder(), "conf.d"));
    return await write("main.toml", `[server]\ninclude = "${folder()}/conf.d/*.toml"\n${main}`);
  }

  test("they are read after the main file in the order of their names, links too, hidden ones not", async () => {
    const file = await withInclude('[log]\nlevel = "error"\n[app]\nenv = { A = "main", B = "main" }');
    await write("conf.d/20.toml", '[log]\nlevel = "warn"\n[[apps]]\nmatch = "/b"');
    await write(
      "conf.d/10.toml",
      '[log]\nlevel = "debug"\n[app]\nenv = { B = "10" }\n[[apps]]\nmatch = "/a"',
    );
    await write("elsewhere", '[[apps]]\nmatch = "/c"');
    await symlink(join(folder(), "elsewhere"), join(folder(), "conf.d/30.toml"));
    await write("conf.d/.hidden.toml", "nonsense");
    const { config, tables } = await loadConfig({ file });
    expect(config.log.level).toBe("warn");
    expect(config.app.env).toEqual({ A: "main", B: "10" });
    expect(tables.apps.map((table) => table.match)).toEqual(["/a", "/b", "/c"]);
    expect(config.files.map((path) => path.replace(`${folder()}/`, ""))).toEqual([
      "main.toml",
      "conf.d/10.toml",
      "conf.d/20.toml",
      "conf.d/30.toml",
    ]);
  });

  test("the problems of all of them are reported together, each with its file", async () => {
    const file = await withInclude();
    await write("conf.d/a.toml", "[log]\nlevel = 1\n");
    await write("conf.d/b.toml", "\n[log\n");
    await write("conf.d/c.toml", '[server]\ninclude = "/x/*"\n');
    const lines = (await failure(file)).message.replaceAll(`${folder()}/conf.d/`, "").split("\n");
    expect(lines[0]).toBe('a.toml:2: log.level: expected "debug", "info", "warn", "error", found 1');
    expect(lines[1]).toStartWith("b.toml:2: Expected ']'");
    expect(lines[2]).toBe("c.toml:2: server.include: only the main file can include others");
  });

  test("a link that leads nowhere is an error with its path, folders and missing folders are none", async () => {
    const file = await withInclude();
    await mkdir(join(folder(), "conf.d/folder.toml"));
    expect((await loadConfig({ file })).config.files).toEqual([file]);
    await symlink("/nonexistent", join(folder(), "conf.d/roots.toml"));
    await symlink("circle.toml", join(folder(), "conf.d/circle.toml"));
    const error = await failure(file);
    expect(error.code).toBe("CONFIG_UNREADABLE");
    expect(error.message.replaceAll(`${folder()}/conf.d/`, "").split("\n")).toEqual([
      "circle.toml: the link leads in a circle; remove it",
      "roots.toml: the link leads nowhere; remove it, or put back the file that it names",
    ]);
  });

  test("a file that was named has no folder of the default one's: an instance is what its file says", async () => {
    await mkdir(join(folder(), "conf.d"));
    const named = await write("main.toml", '[log]\nlevel = "warn"\n');
    expect((await loadConfig({ file: named })).tables.server.include).toBe("");
    const ofDefault = await loadConfig({ defaultFile: named });
    expect(ofDefault.tables.server.include).toBe("/etc/std-fpm/conf.d/*.toml");
    expect((await loadConfig({ file: named, defaultFile: named })).tables).toEqual(ofDefault.tables);
  });

  test("a glob without a match is a warning, unless it is the default one", async () => {
    const file = await withInclude();
    expect((await loadConfig({ file })).warnings).toEqual([
      `server.include: no file matches ${folder()}/conf.d/*.toml`,
    ]);
    expect((await loadConfig({ file: await write("other.toml", "# nothing") })).warnings).toEqual([]);
  });

  test("a glob in a folder that does not exist matches nothing", async () => {
    const file = await write("main.toml", `server.include = "${folder()}/none/*.toml"`);
    expect((await loadConfig({ file })).warnings).toHaveLength(1);
  });
});

describe("a bad file", () => {
  test("one that was named must exist", async () => {
    const error = await failure(join(folder(), "none.toml"));
    expect(error.code).toBe("CONFIG_UNREADABLE");
    expect(error.message).toBe(`${folder()}/none.toml: cannot be read: there is no such file`);
  });

  test("a folder is no file", async () => {
    expect((await failure(folder())).message).toEndWith("it is a folder");
  });

  test("a relative path is refused: the working folder never matters", async () => {
    expect((await failure("std-fpm.toml")).message).toContain("expected an absolute path");
  });

  test("a syntax error comes with its line", async () => {
    expect(await problemsOf('[log]\nlevel = "info"\n\nformat = plain\n')).toEqual([
      ':4: Strings must be quoted: "plain"',
    ]);
  });

  test("bytes that are not UTF-8 come with their line", async () => {
    const bytes = Buffer.concat([Buffer.from("[log]\n# gr"), Buffer.from([0xfc]), Buffer.from("n\n")]);
    expect(await problemsOf(bytes)).toEqual([":2: is not UTF-8 text"]);
  });

  test("all problems are reported at once, each with its line", async () => {
    const problems = await problemsOf(
      '[app]\nidle_timeout = 30\nmax_processes = -1\n[server]\nlisten_mode = "0999"\n[[apps]]\nmatch = "*.php"\n',
    );
    expect(problems.sort()).toEqual([
      ':2: app.idle_timeout: expected a duration such as "500ms", "30s", "3m" or "1h", found 30',
      ":3: app.max_processes: expected a whole number from 0 to 1000000, found -1",
      ':5: server.listen_mode: expected octal permissions in quotes, such as "0660", found "0999"',
      ':7: apps[0].match: expected a glob that begins with "/" or "**/", such as "/srv/www/**/*.php", found "*.php"',
    ]);
  });
});
