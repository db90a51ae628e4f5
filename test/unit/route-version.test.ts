import { describe, expect, test } from "bun:test";
import type { FileTrail } from "../../src/base/file-trail.ts";
import type { AppConfig } from "../../src/config/config.ts";
import { encodeHead } from "../../src/fcgi/encoder.ts";
import { RequestHead } from "../../src/fcgi/head.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import { Router } from "../../src/route/router.ts";
import { ownerProblem } from "../../src/start/owner-rules.ts";
import { appConfig } from "../support/app-config.ts";
import { routerDisk } from "../support/fake-disk.ts";
import { headOf } from "../support/routing.ts";

function routerFor(disk: Record<string, string>, app = appConfig({})): Router {
  return new Router(() => app, routerDisk(disk));
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

  test("changes with the executable of a command, without a promise while it is the same; plain CGI begins anew anyway", async () => {
    const files = { ...disk, "/php": "x" };
    const app = appConfig({ command: ["/php"] });
    const router = routerFor(files, app);
    const cgi = routerFor(files, { ...app, protocol: "cgi" });
    const head = headOf({ SCRIPT_FILENAME: "/srv/x.fcgi" });
    const first = await router.route(head);
    const [before, cgiBefore] = [await generationOf(router), await generationOf(cgi)];
    files["/php"] = "x->/php8";
    const after = await generationOf(router);
    expect(after).not.toBe(before);
    expect(await generationOf(cgi)).toBe(cgiBefore);
    const anew = router.route(head);
    expect(anew).toBeInstanceOf(Promise);
    expect((await anew).program).toMatchObject({ key: first.program.key, generation: after });
  });

  test.each<[string, Partial<AppConfig>]>([
    ["plain CGI", { protocol: "cgi" }],
    ["an interpreter for each script", { protocol: "cgi", command: ["/php"] }],
    ["an interpreter for many", { command: ["/php"] }],
  ])("of %s is another one where a link leads to what other tables hold for", async (_what, settings) => {
    const [alice, mallory] = ["1001", "1002"].map((user) => appConfig({ ...settings, user, id: user }));
    const files: Record<string, string> = { "/s/x.fcgi": "x->/alice/x.fcgi" };
    const appFor = (_asked: string, real = "") =>
      (real.startsWith("/mallory/") ? mallory : alice) as AppConfig;
    const router = new Router(appFor, routerDisk(files));
    const before = await router.find("/s/x.fcgi");
    files["/s/x.fcgi"] = "x->/mallory/x.fcgi";
    const after = await router.find("/s/x.fcgi");
    expect([before.app.user, after.app.user]).toEqual(["1001", "1002"]);
    expect([after.key, after.generation]).not.toEqual([before.key, before.generation]);
  });

  test("of plain CGI under a table for the real path is another one when the link is switched", async () => {
    const [asked, real] = [appConfig({}), appConfig({ protocol: "cgi" })];
    const files: Record<string, string> = { "/s/current/x.fcgi": "x->/s/1/x.fcgi" };
    const router = new Router(
      (_asked, path = "") => (path.startsWith("/s/") ? real : asked),
      routerDisk(files),
    );
    const before = await router.find("/s/current/x.fcgi");
    files["/s/current/x.fcgi"] = "x->/s/2/x.fcgi";
    const after = await router.find("/s/current/x.fcgi");
    expect([after.argv, after.cwd]).toEqual([["/s/2/x.fcgi"], "/s/2"]);
    expect(after.generation).not.toBe(before.generation);
  });

  test("changes with settings that only a new process takes on, not with the others", async () => {
    const base = await generationOf(routerFor(disk));
    const other = (changes: Partial<AppConfig>) => generationOf(routerFor(disk, appConfig(changes)));
    expect(await other({ env: { A: "1" } })).not.toBe(base);
    expect(await other({ limits: { nofile: 99 } })).not.toBe(base);
    expect(await other({ idleTimeoutMs: 1, maxProcesses: 7 })).toBe(base);
  });

  test("is known without a promise while the disk says the same, and looked at anew when it does not", async () => {
    const files: Record<string, string> = { ...disk };
    const read = routerDisk(files);
    let facts = await read.lookup("/srv/x.fcgi");
    const router = new Router(() => appConfig({}), { ...read, lookup: () => facts });
    const head = (params: Record<string, string>) =>
      new RequestHead(encodeHead(1, 1, false, encodeParams(Object.entries(params))));
    const plain = head({ SCRIPT_FILENAME: "/srv/x.fcgi" });
    const first = await router.route(plain);
    expect(router.route(plain)).toBe(first);
    const withInfo = { SCRIPT_FILENAME: "/srv/x.fcgi/1", SCRIPT_NAME: "/x.fcgi/1" };
    await router.route(head(withInfo));
    const known = router.route(head({ ...withInfo, SCRIPT_NAME: "/other/1" }));
    expect(known).toMatchObject({
      changes: new Map([
        ["SCRIPT_FILENAME", "/srv/x.fcgi"],
        ["PATH_INFO", "/1"],
        ["SCRIPT_NAME", "/other"],
      ]),
    });
    files["/srv/x.fcgi"] = "x->/srv/y.fcgi";
    facts = await read.lookup("/srv/x.fcgi");
    const anew = router.route(plain);
    expect(anew).toBeInstanceOf(Promise);
    expect((await anew).program.version).not.toBe(first.program.version);
    facts = { kind: "missing" };
    await expect(router.route(plain)).rejects.toThrow("no such file");
  });

  test("is asked for anew after a reload", async () => {
    const router = routerFor(disk);
    const before = await router.find("/srv/x.fcgi");
    router.reload(() => appConfig({ env: { A: "1" } }));
    expect((await router.find("/srv/x.fcgi")).generation).not.toBe(before.generation);
  });
});

describe("settings for the file behind a name", () => {
  const [plain, own] = [appConfig({ id: "app" }), appConfig({ id: "own", user: "alice" })];
  const disk = { "/l/x.fcgi": "x->/srv/x.fcgi", "/m/x.fcgi": "x->/srv/x.fcgi", "/srv/x.fcgi": "x" };
  const router = new Router(
    (path, realPath = path) => (realPath.startsWith("/srv/") ? own : plain),
    routerDisk(disk),
  );

  test("hold by every name, in one program, of which the file itself is run", async () => {
    const program = await router.find("/srv/x.fcgi");
    expect(program).toMatchObject({ key: "/srv/x.fcgi", argv: ["/srv/x.fcgi"], app: own });
    expect(await router.find("/l/x.fcgi")).toBe(program);
    expect(await router.find("/m/x.fcgi")).toBe(program);
    expect(await router.findAgain(program)).toBe(program);
  });

  test("leave the name where they are the same for both", async () => {
    const everywhere = new Router(() => plain, routerDisk(disk));
    expect(await everywhere.find("/l/x.fcgi")).toMatchObject({ key: "/l/x.fcgi", argv: ["/l/x.fcgi"] });
  });
});

interface Owned {
  readonly uid: number;
  readonly mode: number;
}

describe('user = "owner"', () => {
  /** The way to a program: folders from the root on, then the file. */
  function trailOf(file: Owned, folder: Owned, above: readonly Owned[] = [], links: FileTrail["links"] = []) {
    const folders = [...above, folder].map((each, index) => ({
      ...each,
      kind: "folder" as const,
      path: `/${index}`,
    }));
    return { realPath: "/x", parts: [...folders, { ...file, kind: "file" as const, path: "/x" }], links };
  }

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
      const trail = trailOf({ uid, mode }, { uid: folderUid, mode: folderMode });
      const problem = ownerProblem(trail, 1000);
      if (why === undefined) expect(problem).toBeUndefined();
      else expect(problem).toContain(why);
    },
  );

  test.each([
    [0, 0o755, undefined],
    [1000, 0o711, undefined],
    [0, 0o1777, undefined],
    [1001, 0o755, "the folder /0 belongs to user 1001, who could exchange what is in it"],
    [0, 0o775, "others than its owner may write the folder /0"],
    [1000, 0o757, "others than its owner may write the folder /0"],
  ])("file of user 1000 below a folder of user %i, mode %o: %s", (uid, mode, why) => {
    const mine = { uid: 1000, mode: 0o755 };
    expect(ownerProblem(trailOf(mine, mine, [{ uid, mode }]), 1000)?.split(" (")[0]).toBe(why as string);
  });

  test.each([
    [1000, 1000, undefined],
    [0, 1000, undefined],
    [1001, 1000, "the link /l belongs to user 1001, but what it leads to, to user 1000"],
    [1000, 0, "the link /l belongs to user 1000, but what it leads to, to user 0"],
  ])("by a link of user %i to what belongs to user %i: %s", (uid, targetUid, why) => {
    const mine = { uid: 1000, mode: 0o755 };
    const links = [{ path: "/l", uid, targetUid }];
    expect(ownerProblem(trailOf(mine, mine, [], links), 1000)).toBe(why as string);
  });

  test("what is no file, or nothing, does not run", () => {
    expect(ownerProblem({ realPath: "/", parts: [], links: [] }, 1000)).toBe("it is no regular file");
  });

  test.each(["fastcgi", "cgi"] as const)(
    "the file itself is what runs and what a %s program is told, not its name",
    async (protocol) => {
      const disk = { "/h/link.fcgi": "x->/h/a/x.fcgi", "/h/a/x.fcgi": "x" };
      const router = new Router(() => appConfig({ user: "owner", protocol }), routerDisk(disk));
      const head = encodeHead(1, 1, false, encodeParams([["SCRIPT_FILENAME", "/h/link.fcgi"]]));
      const { program, script, changes } = await router.route(new RequestHead(head));
      expect(program).toMatchObject({
        key: "/h/link.fcgi",
        argv: ["/h/a/x.fcgi"],
        cwd: "/h/a",
        ownedFile: "/h/a/x.fcgi",
      });
      expect([script, changes.get("SCRIPT_FILENAME")]).toEqual(["/h/a/x.fcgi", "/h/a/x.fcgi"]);
    },
  );

  test("a name that leads to another file is another generation", async () => {
    const disk: Record<string, string> = { "/h/l.fcgi": "x->/h/x.fcgi", "/h/x.fcgi": "x", "/h/y.fcgi": "x" };
    const router = new Router(() => appConfig({ user: "owner", protocol: "cgi" }), routerDisk(disk));
    const before = await router.find("/h/l.fcgi");
    disk["/h/l.fcgi"] = "x->/h/y.fcgi";
    const after = await router.find("/h/l.fcgi");
    expect([before.argv, after.argv]).toEqual([["/h/x.fcgi"], ["/h/y.fcgi"]]);
    expect(after.generation).not.toBe(before.generation);
  });

  test("a link between owners is a 403 that says which and whose", async () => {
    const links = [{ path: "/h/l.fcgi", uid: 1001, targetUid: 1000 }];
    const disk = { "/h/l.fcgi": "x->/h/x.fcgi", "/h/x.fcgi": "x" };
    const router = new Router(() => appConfig({ user: "owner" }), routerDisk(disk, {}, links));
    await expect(router.find("/h/l.fcgi")).rejects.toThrow(
      "/h/l.fcgi: the link /h/l.fcgi belongs to user 1001, but what it leads to, to user 1000.",
    );
  });

  test("runs as the owner, one pool for each user with `command`", async () => {
    const disk = { "/h/a/x.fcgi": "x", "/h/a": "/", "/h/b/x.fcgi": "x", "/h/b": "/" };
    const app = appConfig({ user: "owner", command: ["/usr/bin/php-cgi"] });
    const owned = (uid: number) => new Router(() => app, routerDisk(disk, { uid }));
    const programs = [await owned(1000).find("/h/a/x.fcgi"), await owned(1001).find("/h/b/x.fcgi")];
    expect(programs.map(({ owner }) => owner)).toEqual([1000, 1001]);
    expect(new Set(programs.map(({ key }) => key)).size).toBe(2);
  });

  test("is a 403 with the reason where the rules are broken", async () => {
    const disk = { "/h/x.fcgi": "x", "/h": "/" };
    const router = new Router(() => appConfig({ user: "owner" }), routerDisk(disk, { uid: 0 }));
    await expect(router.find("/h/x.fcgi")).rejects.toThrow(
      "/h/x.fcgi: its owner, user 0, is below lowest_uid",
    );
  });
});
