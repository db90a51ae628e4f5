import { describe, expect, test } from "bun:test";
import { defaultTables } from "../../src/config/tables.ts";
import { sourceTest } from "../../src/dev/source-test.ts";

const tables = {
  ...defaultTables(),
  apps: [
    { match: "/srv/**/*.tool" },
    { match: "/srv/*.{aa,bb}" },
    { match: "/srv/shop/**", extensions: [".Shop"] },
    { match: "/srv/server" },
    { match: "/srv/git/*", extensions: ["Git-Backend", ""] },
  ],
};
const isSource = sourceTest(tables, ["/srv/server"]);

describe("what may be a program's source", () => {
  test.each([
    ...["a.fcgi", "A.FCGI", "a.fcgi~", "a.fcgi.bak", "a.fcgi_old", "a.fcgi2", "a.fcgi (copy)", "#a.fcgi#"],
    ...["a.fcgi.fcgist", "x.php", "x.php5", "x.php.5", "c.phps", "x.inc", "x.pyc", "x.phtml", "config.php.1"],
    ...["x.tool", "x.aa", "x.bb", "x.shop", "server"],
    ...["server~", "server.bak", "server.1", "server2", "Server", "#server#", "server-old", "server (copy)"],
    ...["git-backend", "GIT-BACKEND", "git-backend.orig", "git-backend.dpkg-new"],
  ])("is not shown: %s", (name) => {
    expect(isSource(`/srv/${name}`)).toBe(true);
  });

  test.each([
    "a.txt",
    "a.fcgist.txt",
    "phpinfo.html",
    "a.css",
    "a.html",
    "server.png",
    "serverless",
    "server.min.js",
    "git-backend.css",
    "aa",
  ])("is not: %s", (name) => {
    expect(isSource(`/srv/${name}`)).toBe(false);
  });
});
