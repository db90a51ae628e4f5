import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
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

// What `make deb-arm64 rpm-arm64` left there, on whatever machine.

const FOLDER = "dist/arm64";
const EM_AARCH64 = 183;

/** The executable as it was built: not stripped, not another machine's. */
function expectExecutable(path: string): void {
  const bytes = readFileSync(path);
  expect([bytes.toString("latin1", 1, 4), bytes.readUInt16LE(18)]).toEqual(["ELF", EM_AARCH64]);
  expect(bytes.length).toBeGreaterThan(80_000_000);
  expect(bytes.equals(readFileSync(resolve(FOLDER, "std-fpm")))).toBe(true);
}

describe("the Debian package for arm64", () => {
  const deb = () => packageFile("deb", FOLDER);

  test("is for arm64, and depends on the C library alone", () => {
    expect(run("dpkg-deb", "-f", deb(), "Architecture").trim()).toBe("arm64");
    expect(run("dpkg-deb", "-f", deb(), "Depends").trim()).toMatch(/^libc6 \(>= 2\.\d+\)$/);
  });

  test("has the files of the other one, and the executable that was built", () => {
    using dir = makeTempDir();
    expect(filesOfDeb(deb())).toEqual(DEB_FILES);
    unpackDeb(deb(), dir.path);
    expectExecutable(dir.at("usr/bin/std-fpm"));
  });

  test("lintian finds no error, and no warning that is not explained", () => {
    expect(run("lintian", "--allow-root", "--fail-on", "error,warning", deb())).toBe("");
  });
});

describe("the RPM package for arm64", () => {
  const rpm = () => packageFile("rpm", FOLDER);

  test("is for aarch64, and depends on that machine's C library", () => {
    expect(run("rpm", "-qp", "--qf", "%{ARCH} %{OS}", rpm())).toBe("aarch64 linux");
    const needed = run("rpm", "-qp", "--requires", rpm()).split("\n");
    const libraries = needed.filter((each) => each.includes(".so.") && !each.includes("GLIBC_"));
    expect(libraries).toEqual(
      ["ld-linux-aarch64.so.1", "libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0"].map(
        (name) => `${name}()(64bit)`,
      ),
    );
    for (const tool of ["coreutils", "util-linux", "shadow-utils"]) expect(needed).toContain(tool);
  });

  test("has the files of the other one, and the executable that was built", () => {
    using dir = makeTempDir();
    expect(filesOfRpm(rpm())).toEqual(RPM_FILES);
    unpackRpm(rpm(), dir.path);
    expectExecutable(dir.at("usr/bin/std-fpm"));
  });
});
