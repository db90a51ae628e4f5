import { expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { blockedAt, modeText } from "../../src/start/permission.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const own = process.geteuid?.() ?? 0;
const ownGroup = process.getegid?.() ?? 0;
const OTHER = { uid: 54_321, gid: 54_321, groups: [54_321] };

test("what keeps somebody from executing a file is found by owner and mode: the first folder, or the file", () => {
  using dir = makeTempDir();
  const folder = dir.at("site");
  const file = `${folder}/a.cgi`;
  mkdirSync(folder);
  writeFileSync(file, "");
  const blocked = (mode: number, folderMode: number, who = OTHER) => {
    chmodSync(dir.path, 0o755);
    chmodSync(folder, folderMode);
    chmodSync(file, mode);
    return blockedAt(file, who)?.path;
  };
  expect(blocked(0o755, 0o755)).toBeUndefined();
  expect(blocked(0o754, 0o755)).toBe(file);
  expect(blocked(0o755, 0o754)).toBe(folder);
  expect(blocked(0o744, 0o750)).toBe(folder);
  // By its owner, by its group, by another group that somebody is in.
  const member = { uid: 54_321, gid: 54_321, groups: [ownGroup] };
  expect(blocked(0o710, 0o755, member)).toBeUndefined();
  expect(blocked(0o701, 0o755, member)).toBe(file);
  expect(blocked(0o644, 0o755, { ...OTHER, uid: 0 })).toBe(file);
  expect(blocked(0o700, 0o700, { ...OTHER, uid: 0 })).toBeUndefined();
  if (own === 0) chownSync(file, OTHER.uid, 0);
  if (own === 0) expect(blocked(0o677, 0o755)).toBe(file);
  expect(blockedAt(`${folder}/none`, OTHER)).toBeUndefined();
  chmodSync(folder, 0o711);
  chmodSync(file, 0o4600);
  expect(blockedAt(file, { ...OTHER, uid: 1 })).toEqual({
    path: file,
    isFolder: false,
    mode: 0o4600,
    uid: own === 0 ? OTHER.uid : own,
  });
  expect([modeText(0o4600), modeText(0)]).toEqual(["4600", "0000"]);
});
