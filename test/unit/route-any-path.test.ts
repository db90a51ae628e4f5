import { describe, expect, test } from "bun:test";
import { encodeHead } from "../../src/fcgi/encoder.ts";
import { RequestHead } from "../../src/fcgi/head.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import { FCGI_AUTHORIZER, FCGI_FILTER, FCGI_RESPONDER } from "../../src/fcgi/protocol.ts";
import { Router } from "../../src/route/router.ts";
import { appConfig } from "../support/app-config.ts";
import { routerDisk } from "../support/fake-disk.ts";
import { headOf, type Params } from "../support/routing.ts";

describe("with `any_path`", () => {
  const app = appConfig({ anyPath: true, command: ["/usr/bin/app"], roots: ["/srv/app"], id: "app+apps[0]" });
  const plain = appConfig({});
  const routerOf = (settings = app) =>
    new Router(
      (path) => (/^\/srv\/app(?:\/|$)/.test(path) ? settings : plain),
      routerDisk({ "/srv/x.fcgi": "x" }),
    );
  const routed = async (given: string, more: Params = {}) =>
    await routerOf().route(headOf({ SCRIPT_FILENAME: given, ...more }));

  test.each([
    ["/srv/app/", "/srv/app/"],
    ["/srv/app/no/file", "/srv/app/no/file"],
    ["/srv/app//a/./b", "/srv/app/a/b"],
    ["/srv/app/caf\xe9\n", "/srv/app/caf\uFFFD\n"],
  ])("the command serves %j, told as it came", async (given, script) => {
    const found = await routed(given);
    expect(found.program).toMatchObject({ key: "command app+apps[0]", argv: ["/usr/bin/app"], script });
    expect(found.changes.size).toBe(0);
  });

  test("a table for all below a folder is for the folder itself, too", async () => {
    const router = new Router((path) => (path.startsWith("/srv/app/") ? app : plain), routerDisk({}));
    const found = await router.route(headOf({ SCRIPT_FILENAME: "/srv/app" }));
    expect(found.program).toMatchObject({ key: "command app+apps[0]", script: "/srv/app" });
    expect((await router.findAgain(found.program))?.key).toBe(found.program.key);
  });

  test("the same route comes back without a look at the disk", async () => {
    const router = routerOf();
    const head = headOf({ SCRIPT_FILENAME: "/srv/app/a" });
    const first = await router.route(head);
    expect(router.route(head)).toBe(first);
  });

  test("Apache's prefix goes, and its encoding", async () => {
    const { changes } = await routed("proxy:fcgi://h/srv/app/a%20b");
    expect([...changes]).toEqual([["SCRIPT_FILENAME", "/srv/app/a b"]]);
  });

  test("of a path of which only a part matches, the rest is PATH_INFO", async () => {
    const router = new Router(
      (path) => (path === "/srv/app" ? { ...app, namesPath: true, roots: [] } : plain),
      routerDisk({}),
    );
    const { changes, program } = await router.route(
      headOf({ SCRIPT_FILENAME: "/srv/app/a/b", SCRIPT_NAME: "/app/a/b" }),
    );
    expect(program.script).toBe("/srv/app");
    expect(Object.fromEntries(changes)).toEqual({
      SCRIPT_FILENAME: "/srv/app",
      SCRIPT_NAME: "/app",
      PATH_INFO: "/a/b",
      PATH_TRANSLATED: "/srv/a/b",
    });
  });

  test("`..` and NUL stay refused, roots hold, and programs elsewhere are as before", async () => {
    await expect(routed("/srv/app/../x")).rejects.toThrow("holds a `..` part");
    await expect(routed("/srv/app/\0")).rejects.toThrow("holds a NUL");
    const elsewhere = routerOf({ ...app, roots: ["/home"] });
    await expect(Promise.resolve(elsewhere.route(headOf({ SCRIPT_FILENAME: "/srv/app/x" })))).rejects.toThrow(
      "/srv/app/x: it lies under none of `roots`.",
    );
    expect((await routed("/srv/x.fcgi/app")).program.key).toBe("/srv/x.fcgi");
  });

  test.each([
    [{ user: "owner" }, "there is no file whose owner"],
    [{ command: undefined }, "`any_path` is for a `command` that speaks FastCGI"],
    [{ protocol: "cgi" as const }, "`any_path` is for a `command` that speaks FastCGI"],
  ])("a program that needs a file is a 403: %j", async (changes, why) => {
    const router = routerOf({ ...app, ...changes });
    await expect(Promise.resolve(router.route(headOf({ SCRIPT_FILENAME: "/srv/app/x" })))).rejects.toThrow(
      why,
    );
  });

  test("its pool is found again after a reload, and is none when the settings have gone", async () => {
    const known = await routerOf().find("/srv/app/x");
    const again = await routerOf({ ...app, env: { A: "1" } }).findAgain(known);
    expect([again?.key, again?.app.env]).toEqual([known.key, { A: "1" }]);
    expect(await new Router(() => plain, routerDisk({})).findAgain(known)).toBeUndefined();
  });
});

describe("an authorizer", () => {
  const plain = appConfig({ id: "app" });
  const guard = appConfig({ id: "app+apps[0]", anyPath: true, command: ["/srv/login"] });
  const router = new Router(
    () => plain,
    routerDisk({ "/srv/x.fcgi": "x" }),
    (path) => (path.startsWith("/srv/private/") ? guard : plain),
  );
  const ask = (role: number, path: string) =>
    router.route(new RequestHead(encodeHead(1, role, false, encodeParams([["SCRIPT_FILENAME", path]]))));

  test("is asked by tables of its own, a path that answers is not", async () => {
    expect((await ask(FCGI_AUTHORIZER, "/srv/private/a.html")).program).toMatchObject({
      key: "command app+apps[0], authorizer",
      argv: ["/srv/login"],
      role: "authorizer",
    });
    for (const role of [FCGI_RESPONDER, FCGI_FILTER])
      await expect(Promise.resolve(ask(role, "/srv/private/a.html"))).rejects.toThrow("no such file");
  });

  test("that is a program of the site, too, has a pool of its own", async () => {
    const [answers, allows] = [
      await ask(FCGI_RESPONDER, "/srv/x.fcgi"),
      await ask(FCGI_AUTHORIZER, "/srv/x.fcgi"),
    ];
    expect([answers.program.key, allows.program.key]).toEqual(["/srv/x.fcgi", "/srv/x.fcgi, authorizer"]);
    expect(await router.findAgain(allows.program)).toMatchObject({ key: "/srv/x.fcgi, authorizer" });
    router.reload(() => plain);
    const virtual = await new Router(
      () => plain,
      routerDisk({}),
      () => guard,
    ).route(
      new RequestHead(
        encodeHead(1, FCGI_AUTHORIZER, false, encodeParams([["SCRIPT_FILENAME", "/srv/private/b"]])),
      ),
    );
    expect(await router.findAgain(virtual.program)).toBeUndefined();
  });
});
