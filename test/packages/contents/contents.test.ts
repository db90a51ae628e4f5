import { describe, expect, test } from "bun:test";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { makeTempDir } from "../../support/temp-dir.ts";
import {
  DEB_FILES,
  filesOfDeb,
  filesOfRpm,
  packageFile,
  RPM_FILES,
  run,
  unpackDeb,
  unpackRpm,
} from "../package-file.ts";

/** What systemd-analyze says of a service that has nothing but a user. */
const UNPROTECTED = 9.2;
/** What implies NoNewPrivileges for a service that is not root's (systemd.exec(5)). */
const IMPLIES_NO_NEW_PRIVILEGES =
  /^(?:NoNewPrivileges|SystemCall\w+|RestrictAddressFamilies|RestrictNamespaces|RestrictRealtime|RestrictSUIDSGID|PrivateDevices|ProtectKernel\w+|ProtectClock|ProtectHostname|MemoryDenyWriteExecute|LockPersonality|DynamicUser)=/m;

/** On a machine that is busy with other things. */
const LINTIAN_MS = 240_000;

describe("the Debian package", () => {
  test("has every file at its place, with its owner and mode", () => {
    expect(filesOfDeb(packageFile("deb"))).toEqual(DEB_FILES);
  });

  test("has an executable that was not stripped, and its configuration as a conffile", () => {
    using dir = makeTempDir();
    unpackDeb(packageFile("deb"), dir.path);
    expect(run(dir.at("usr/bin/std-fpm"), "--version")).toStartWith("std-fpm 0.");
    const conffiles = readFileSync(dir.at("DEBIAN/conffiles"), "utf8");
    expect(conffiles).toContain("/etc/std-fpm/std-fpm.toml");
    const control = readFileSync(dir.at("DEBIAN/control"), "utf8");
    expect(control).toMatch(/^Depends: .*libc6/m);
    // As the user of the unit, not as root, who has to name a user for the programs.
    chmodSync(dir.path, 0o755);
    const check = [dir.at("usr/bin/std-fpm"), "check", "--config", dir.at("etc/std-fpm/std-fpm.toml")];
    const asNobody = ["--reuid=65534", "--regid=65534", "--clear-groups", ...check];
    expect(run("setpriv", ...asNobody)).toBe("ok\n");
  });

  test(
    "lintian finds no error, and no warning that is not explained",
    () => {
      expect(run("lintian", "--allow-root", "--fail-on", "error,warning", packageFile("deb"))).toBe("");
    },
    LINTIAN_MS,
  );
});

describe("the RPM package", () => {
  test("has every file at its place, with its owner and mode", () => {
    expect(filesOfRpm(packageFile("rpm"))).toEqual(RPM_FILES);
  });

  test("keeps a configuration that was changed, and makes its user", () => {
    expect(run("rpm", "-qpc", packageFile("rpm")).split("\n")).toContain("/etc/std-fpm/std-fpm.toml");
    expect(run("rpm", "-qp", "--scripts", packageFile("rpm"))).toContain("useradd -r -g nginx");
  });

  test("has an executable that was not stripped, and units for its own user", () => {
    using dir = makeTempDir();
    unpackRpm(packageFile("rpm"), dir.path);
    expect(run(dir.at("usr/bin/std-fpm"), "--version")).toStartWith("std-fpm 0.");
    const service = readFileSync(dir.at("usr/lib/systemd/system/std-fpm.service"), "utf8");
    expect([
      /^User=std-fpm$/m.test(service),
      /^Group=nginx$/m.test(service),
      /^User=www-data/m.test(service),
    ]).toEqual([true, true, false]);
  });
});

test("systemd-tmpfiles makes what is missing, the runtime folder at boot alone, and changes nothing that is there", () => {
  using dir = makeTempDir();
  mkdirSync(dir.at("etc"));
  writeFileSync(dir.at("etc/passwd"), "root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n");
  writeFileSync(dir.at("etc/group"), "root:x:0:\nadm:x:4:\nwww-data:x:33:\n");
  const config = resolve("systemd/std-fpm.tmpfiles");
  const create = (...more: string[]) =>
    run("systemd-tmpfiles", `--root=${dir.path}`, "--create", ...more, config);
  const ownerOf = (path: string) => {
    const { uid, gid, mode } = statSync(dir.at(path));
    return `${uid}:${gid} ${(mode & 0o7777).toString(8)}`;
  };
  create();
  expect([existsSync(dir.at("run/std-fpm")), ownerOf("var/log/std-fpm")]).toEqual([false, "33:4 2750"]);
  create("--boot");
  expect(ownerOf("run/std-fpm")).toBe("33:33 755");
  // The administrator has made the unit root's; the package is upgraded.
  for (const path of ["run/std-fpm", "var/log/std-fpm"]) chownSync(dir.at(path), 0, 4);
  chmodSync(dir.at("var/log/std-fpm"), 0o750);
  create();
  expect([ownerOf("run/std-fpm"), ownerOf("var/log/std-fpm")]).toEqual(["0:4 755", "0:4 750"]);
});

test.each(["man/std-fpm.8", "man/std-fpm.toml.5"])("%s is what man takes without a warning", (page) => {
  expect(run("mandoc", "-T", "lint", "-W", "warning", page)).toBe("");
});

describe("the units", () => {
  test.each(["std-fpm.service", "std-fpm.socket", "std-fpm@.service"])("systemd takes %s", (unit) => {
    using dir = makeTempDir();
    // Where the executable is not installed, systemd would find fault with that alone.
    const text = readFileSync(resolve("systemd", unit), "utf8").replaceAll(
      "/usr/bin/std-fpm",
      process.execPath,
    );
    const name = unit.replace("@", "@one");
    for (const each of ["std-fpm.service", "std-fpm.socket"]) {
      const other = readFileSync(resolve("systemd", each), "utf8").replaceAll(
        "/usr/bin/std-fpm",
        process.execPath,
      );
      Bun.spawnSync(["tee", dir.at(each)], { stdin: Buffer.from(other) });
    }
    Bun.spawnSync(["tee", dir.at(name)], { stdin: Buffer.from(text) });
    const { exitCode, stdout, stderr } = Bun.spawnSync([
      "systemd-analyze",
      "verify",
      "--man=no",
      dir.at(name),
    ]);
    expect([exitCode, `${stdout}${stderr}`]).toEqual([0, ""]);
  });

  test.each(["std-fpm.service", "std-fpm@.service"])("%s lets programs use sudo and sendmail", (name) => {
    expect(readFileSync(resolve("systemd", name), "utf8")).not.toMatch(IMPLIES_NO_NEW_PRIVILEGES);
  });

  test("std-fpm.service is exposed less than a service without any protection", () => {
    const unit = resolve("systemd/std-fpm.service");
    const command = ["systemd-analyze", "security", "--offline=true", "--no-pager", unit] as const;
    const overall = /Overall exposure level for .*: ([0-9.]+)/.exec(run(...command))?.[1];
    expect(Number(overall)).toBeLessThan(UNPROTECTED);
  });
});
