import { describe, expect, test } from "bun:test";
import { Router } from "../../src/route/router.ts";
import { appConfig } from "../support/app-config.ts";
import { routerDisk } from "../support/fake-disk.ts";
import { headOf, type Params, routerFor } from "../support/routing.ts";

const PHP = appConfig({ command: ["/usr/bin/php-cgi"], extensions: [".php"] });
const DISK = { "/srv/x.php": "x" };
/** As Apache sends it after a RewriteRule to x.php/$1. */
const REWRITTEN = {
  SCRIPT_FILENAME: "/srv/x.php",
  PATH_INFO: "/up/x.jpg",
  PATH_TRANSLATED: "/srv/up/x.jpg",
  REDIRECT_URL: "/up/x.jpg",
};
const ANOTHER_NAME: [string, string | undefined][] = [
  ["PATH_TRANSLATED", undefined],
  ["PATH.TRANSLATED", "/srv/up/x.jpg"],
  ["REDIRECT_URL", undefined],
  ["REDIRECT.URL", "/up/x.jpg"],
];

async function changes(params: Params, app = PHP) {
  const route = await routerFor(DISK, app).route(headOf(params));
  return [...route.changes];
}

describe("an interpreter is told one name of the script", () => {
  test("where Apache has rewritten the request, by which php-cgi would take PATH_TRANSLATED for it", async () => {
    expect(await changes(REWRITTEN)).toEqual(ANOTHER_NAME);
    const { PATH_TRANSLATED: _, ...others } = REWRITTEN;
    expect(await changes(others)).toEqual(ANOTHER_NAME.slice(2));
  });

  test("where a PATH_TRANSLATED comes without that, which cgi.fix_pathinfo=0 takes for it", async () => {
    const { REDIRECT_URL: _, ...others } = REWRITTEN;
    expect(await changes(others)).toEqual(ANOTHER_NAME.slice(0, 2));
    expect(await changes({ ...others, PATH_TRANSLATED: "" })).toEqual([
      ["PATH_TRANSLATED", undefined],
      ["PATH.TRANSLATED", ""],
    ]);
  });

  test("where PATH_TRANSLATED is made of the PATH_INFO that was split off", async () => {
    const given = {
      SCRIPT_FILENAME: "/srv/x.php/up/x.jpg",
      DOCUMENT_ROOT: "/srv",
      SCRIPT_NAME: "/x.php/up/x.jpg",
    };
    const told = new Map(await changes(given));
    expect([told.get("PATH_TRANSLATED"), told.get("PATH.TRANSLATED")]).toEqual([undefined, "/srv/up/x.jpg"]);
  });

  test("also by the route that is known from a request which had but one", async () => {
    const disk = routerDisk(DISK);
    const facts = await disk.lookup("/srv/x.php");
    const router = new Router(() => PHP, { ...disk, lookup: () => facts });
    const plain = headOf({ SCRIPT_FILENAME: "/srv/x.php" });
    const first = await router.route(plain);
    expect(router.route(plain)).toBe(first);
    expect([...(await router.route(headOf(REWRITTEN))).changes]).toEqual(ANOTHER_NAME);
    expect(router.route(plain)).toBe(first);
  });

  test("and nothing is changed where the two are the same, or no other one is there", async () => {
    const { SCRIPT_FILENAME, REDIRECT_URL } = REWRITTEN;
    expect(await changes({ SCRIPT_FILENAME, PATH_TRANSLATED: SCRIPT_FILENAME })).toEqual([]);
    expect(await changes({ SCRIPT_FILENAME, REDIRECT_URL })).toEqual([]);
  });

  test.each([[["/usr/bin/php-cgi8.2"]], [["/usr/sbin/chroot", "/jail", "/usr/bin/php-cgi"]]])(
    "also with any_path, where nobody has looked at either: %j",
    async (command) => {
      expect(await changes(REWRITTEN, { ...PHP, command, anyPath: true })).toEqual(ANOTHER_NAME);
    },
  );

  test("while a program of its own, and a command for any path, are told all of it", async () => {
    expect(await changes(REWRITTEN, appConfig({ extensions: [".php"] }))).toEqual([]);
    expect(await changes(REWRITTEN, { ...PHP, command: ["/srv/server"], anyPath: true })).toEqual([]);
  });
});
