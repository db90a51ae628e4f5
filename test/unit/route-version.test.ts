import { describe, expect, test } from "bun:test";
import type { AppConfig } from "../../src/config/config.ts";
import { ownerProblem } from "../../src/route/owner-rules.ts";
import { Router } from "../../src/route/router.ts";
import { appConfig } from "../support/app-config.ts";
import { diskOf } from "../support/fake-disk.ts";

function routerFor(disk: Record<string, string>, app = appConfig({})): Router {
  return new Router(() => app, diskOf(disk), diskOf(disk));
}

describe("the program's version", () => {
  const disk: Record<string, string> = { "/srv/x.fcgi": "x", "/srv/lib.pl": "r" };
  const generationOf = async (router: Router) => (await router.find("/srv/x.fcgi")).generation;

  test("is the same object until something changes", async () => {
    const router = routerFor(disk);
    expect(await router.find("/srv/x.fcgi")).toBe(await router.find("/srv/x.fcgi"));
  });

  test("changes with the files of restart_on_change, also when one comes or goes", async () => {
    const files = { ...disk };
    const app = appConfig({ restartOnChange: ["lib.pl", "/etc/x.conf"] });
    const router = routerFor(files, app);
    const before = await generationOf(router);
    expect(await generationOf(router)).toBe(before);
    files["/srv/lib.pl"] = "r->/srv/other.pl";
    const changed = await generationOf(router);
    files["/etc/x.conf"] = "r";
    const come = await generationOf(router);
    delete files["/etc/x.conf"];
    expect(new Set([before, changed, come]).size).toBe(3);
    expect(await generationOf(router)).toBe(changed);
  });

  test("changes with settings that only a new process takes on, not with the others", async () => {
    const base = await generationOf(routerFor(disk));
    const other = (changes: Partial<AppConfig>) => generationOf(routerFor(disk, appConfig(changes)));
    expect(await other({ env: { A: "1" } })).not.toBe(base);
    expect(await other({ limits: { nofile: 99 } })).not.toBe(base);
    expect(await other({ idleTimeoutMs: 1, maxProcesses: 7 })).toBe(base);
  });

  test("is asked for anew after a reload", async () => {
    const router = routerFor(disk);
    const before = await router.find("/srv/x.fcgi");
    router.reload(() => appConfig({ env: { A: "1" } }));
    expect((await router.find("/srv/x.fcgi")).generation).not.toBe(before.generation);
  });
});

describe('user = "owner"', () => {
  const file = {
    kind: "file",
    realPath: "/h/a/x.fcgi",
    identity: "",
    readable: true,
    executable: true,
  } as const;
  const folder = { kind: "other", realPath: "/h/a" } as const;

  test.each([
    [1000, 0o755, 1000, 0o755, undefined],
    [1000, 0o700, 1000, 0o711, undefined],
    [999, 0o755, 999, 0o755, "below lowest_uid (1000)"],
    [0, 0o755, 0, 0o755, "below lowest_uid (1000)"],
    [1000, 0o775, 1000, 0o755, "others than its owner may write it"],
    [1000, 0o757, 1000, 0o755, "others than its owner may write it"],
    [1000, 0o4755, 1000, 0o755, "set-user-id"],
    [1000, 0o2755, 1000, 0o755, "set-user-id"],
    [1000, 0o755, 1001, 0o755, "its folder to user 1001"],
    [1000, 0o755, 1000, 0o775, "others than its owner may write its folder"],
    [1000, 0o755, 1000, 0o1777, "others than its owner may write its folder"],
  ])(
    "file of user %i, mode %o, in a folder of user %i, mode %o: %s",
    (uid, mode, folderUid, folderMode, why) => {
      const problem = ownerProblem(
        { ...file, uid, mode },
        { ...folder, uid: folderUid, mode: folderMode },
        1000,
      );
      if (why === undefined) expect(problem).toBeUndefined();
      else expect(problem).toContain(why);
    },
  );

  test("runs as the owner, one pool for each user with `command`", async () => {
    const disk = { "/h/a/x.fcgi": "x", "/h/a": "/", "/h/b/x.fcgi": "x", "/h/b": "/" };
    const app = appConfig({ user: "owner", command: ["/usr/bin/php-cgi"] });
    const owned = (uid: number) => new Router(() => app, diskOf(disk, { uid }), diskOf(disk));
    const programs = [await owned(1000).find("/h/a/x.fcgi"), await owned(1001).find("/h/b/x.fcgi")];
    expect(programs.map(({ owner }) => owner)).toEqual([1000, 1001]);
    expect(new Set(programs.map(({ key }) => key)).size).toBe(2);
  });

  test("is a 403 with the reason where the rules are broken", async () => {
    const disk = { "/h/x.fcgi": "x", "/h": "/" };
    const router = new Router(() => appConfig({ user: "owner" }), diskOf(disk, { uid: 0 }), diskOf(disk));
    await expect(router.find("/h/x.fcgi")).rejects.toThrow(
      "/h/x.fcgi: its owner, user 0, is below lowest_uid",
    );
  });
});
