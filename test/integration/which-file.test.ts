import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, symlinkSync } from "node:fs";
import { startApache } from "../support/apache.ts";
import { connectFcgi, type FcgiAnswer } from "../support/fcgi-connection.ts";
import { exchange } from "../support/http-exchange.ts";
import { startLighttpd } from "../support/lighttpd.ts";
import { freePort, type WebServer } from "../support/server-process.ts";
import { type Site, startSite } from "../support/site.ts";

/** Prints these parameters in hexadecimal, which any bytes survive. */
const SHOW = `#!/usr/bin/perl
use FCGI;
my %e; my $request = FCGI::Request(\\*STDIN, \\*STDOUT, \\*STDERR, \\%e);
while ($request->Accept() >= 0) {
  print "Content-Type: text/plain\\r\\n\\r\\n";
  print "$_=", unpack("H*", $e{$_}), "\\n" for grep { exists $e{$_} } qw(SCRIPT_FILENAME SCRIPT_NAME PATH_INFO PATH_TRANSLATED);
}
`;
const CGI = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'; echo \"$0 $PATH_INFO\"\n";
const PHP = `<?php foreach (["SCRIPT_NAME", "SCRIPT_FILENAME", "PATH_INFO", "PATH_TRANSLATED", "PHP_SELF"] as $name) echo "$name=", bin2hex($_SERVER[$name] ?? ""), "\\n";`;

function shown(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/^([A-Z_]+)=([0-9a-f]*)$/gm)];
  return Object.fromEntries(
    pairs.map(([, name, hex]) => [name, Buffer.from(hex as string, "hex").toString("latin1")]),
  );
}

let site: Site;
let apache: WebServer;

beforeAll(async () => {
  site = await startSite({
    lab: [],
    server: 'listen_mode = "0666"',
    files: {
      "show.fcgi": SHOW,
      "named/backend": SHOW,
      "cgi-bin/munin": CGI,
      "cgi-bin/graph.cgi": CGI,
      "cgi-bin/.hidden": CGI,
      "old/INDEX.CGI": CGI,
      "releases/42/app": SHOW,
      "whole/git-backend": CGI,
      "whole/other": CGI,
      "app/server": SHOW,
      "php/info.php": PHP,
      "secret.txt": "a secret",
    },
    apps: `[[apps]]
match = "$ROOT/named/backend"
[[apps]]
match = "$ROOT/cgi-bin/*"
extensions = [""]
protocol = "cgi"
[[apps]]
match = "$ROOT/old/*"
extensions = [".cgi"]
extensions_ignore_case = true
protocol = "cgi"
[[apps]]
match = "$ROOT/whole/*"
extensions = ["git-backend"]
protocol = "cgi"
[[apps]]
match = "$ROOT/php/*"
extensions = [".php"]
command = ["/usr/bin/php-cgi"]
[[apps]]
match = "$ROOT/url/**"
command = ["$ROOT/app/server"]
any_path = true
[[apps]]
match = "$ROOT/url/**/*.php"
extensions = [".php"]
command = ["/usr/bin/php-cgi"]
`,
    locations: `
    location /raw/ {
      include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME $ROOT/$raw;
      fastcgi_param SCRIPT_NAME /$raw;
      fastcgi_pass FASTCGI;
    }
    location /unnamed/ {
      include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_NAME /$raw;
      fastcgi_pass FASTCGI;
    }
    location /url/ {
      include /etc/nginx/fastcgi.conf;
      fastcgi_param SCRIPT_NAME "";
      fastcgi_param PATH_INFO $fastcgi_script_name;
      fastcgi_pass FASTCGI;
    }`,
    nginx: `merge_slashes off; map $uri $raw { "~^/[^/]+/(?<rest>(.|\\n)*)$" $rest; }`,
  });
  symlinkSync("releases/42/app", `${site.root}/current.fcgi`);
  symlinkSync("show.fcgi", `${site.root}/link`);
  symlinkSync("../secret.txt", `${site.root}/php/leak.php`);
  // Apache's workers are another user.
  chmodSync(site.folder, 0o755);
  const port = freePort();
  apache = await startApache({
    folder: site.folder,
    port,
    site: `<VirtualHost *:${port}>
DocumentRoot ${site.root}
<Directory ${site.root}>
  Require all granted
</Directory>
MergeSlashes Off
AllowEncodedSlashes NoDecode
ProxyPass / unix:${site.fpm.socket}|fcgi://localhost${site.root}/
</VirtualHost>
`,
  });
});

afterAll(async () => {
  await apache.stop();
  await site[Symbol.asyncDispose]();
});

const raw = (path: string) => exchange({ port: site.nginx.port, path });
const throughApache = (path: string) => exchange({ port: apache.port, path });

describe("a program without an ending", () => {
  test.each([
    ["named/backend/x", "PATH_INFO=2f78"],
    ["cgi-bin/munin/a/b", "cgi-bin/munin /a/b"],
    ["cgi-bin/graph.cgi/a", "cgi-bin/graph.cgi /a"],
    ["old/INDEX.CGI/a", "old/INDEX.CGI /a"],
    ["whole/git-backend/r.git/info", "whole/git-backend /r.git/info"],
  ])("runs where its name is one of theirs: %s", async (path, expected) => {
    for (const answer of [await raw(`/raw/${path}`), await throughApache(`/${path}`)]) {
      expect([answer.status, answer.text()]).toEqual([200, expect.stringContaining(expected)]);
    }
  });

  test.each(["cgi-bin/.hidden", "whole/other", "whole/git-backend2", "releases/42/app", "named/back"])(
    "does not run elsewhere: %s",
    async (path) => {
      expect((await raw(`/raw/${path}`)).status).toBe(404);
      expect((await throughApache(`/${path}`)).status).toBe(404);
    },
  );
});

describe("a link", () => {
  test("runs when its own name has the ending, whatever its target is called", async () => {
    for (const answer of [await raw("/raw/current.fcgi/x"), await throughApache("/current.fcgi/x")])
      expect(shown(answer.text())).toMatchObject({
        SCRIPT_FILENAME: `${site.root}/current.fcgi`,
        PATH_INFO: "/x",
      });
    expect((await raw("/raw/link")).status).toBe(404);
  });

  test("does not make an interpreter show a file of another kind", async () => {
    for (const answer of [await raw("/raw/php/leak.php"), await throughApache("/php/leak.php")])
      expect([answer.status, answer.text()]).toEqual([404, expect.not.stringContaining("secret")]);
  });
});

describe("PATH_INFO inside SCRIPT_FILENAME", () => {
  test.each([
    ["/x/y", "/x/y"],
    ["//http://example.org/p", "//http://example.org/p"],
    ["/a/", "/a/"],
    ["/caf%E9", "/caf\xe9"],
    ["/caf%C3%A9", "/caf\xc3\xa9"],
    [`/${"x".repeat(5000)}`, `/${"x".repeat(5000)}`],
    ["/a".repeat(70), "/a".repeat(70)],
  ])("is the program's, whatever it holds: %s", async (url, info) => {
    for (const answer of [await raw(`/raw/show.fcgi${url}`), await throughApache(`/show.fcgi${url}`)]) {
      expect(shown(answer.text())).toEqual({
        SCRIPT_FILENAME: `${site.root}/show.fcgi`,
        SCRIPT_NAME: "/show.fcgi",
        PATH_INFO: info,
        PATH_TRANSLATED: site.root + info,
      });
    }
  });

  // Of these two Apache makes a 404 or 400 of its own.
  test.each([
    ["/a%0Ab", "/a\nb"],
    ["/100%25", "/100%"],
  ])("with %s, too, where the web server passes it on", async (url, info) => {
    expect(shown((await raw(`/raw/show.fcgi${url}`)).text())).toMatchObject({
      SCRIPT_NAME: "/show.fcgi",
      PATH_INFO: info,
    });
  });

  test("php-cgi derives what php-fpm does", async () => {
    for (const answer of [await raw("/raw/php/info.php/a%20b"), await throughApache("/php/info.php/a%20b")]) {
      expect(shown(answer.text())).toEqual({
        SCRIPT_NAME: "/php/info.php",
        SCRIPT_FILENAME: `${site.root}/php/info.php`,
        PATH_INFO: "/a b",
        PATH_TRANSLATED: `${site.root}/a b`,
        PHP_SELF: "/php/info.php/a b",
      });
    }
  });
});

test("lighttpd's broken-scriptfilename makes no PATH_INFO where none was asked for", async () => {
  const folder = `${site.folder}/broken-scriptfilename`;
  mkdirSync(folder);
  const socket = `"socket" => "${site.fpm.socket}", "broken-scriptfilename" => "enable"`;
  const lighttpd = await startLighttpd({
    folder,
    root: site.root,
    port: freePort(),
    site: `server.modules += ( "mod_fastcgi" )\nfastcgi.server += ( ".php" => (( ${socket} )) )\n`,
  });
  for (const [path, info] of [
    ["/php/info.php", ""],
    ["/php/info.php/", "/"],
    ["/php/info.php/a", "/a"],
  ]) {
    const told = shown((await exchange({ port: lighttpd.port, path: path as string })).text());
    expect(told).toMatchObject({ SCRIPT_NAME: "/php/info.php", PATH_INFO: info, PHP_SELF: path });
  }
  await lighttpd.stop();
});

test("without SCRIPT_FILENAME the script is found by DOCUMENT_ROOT and SCRIPT_NAME", async () => {
  expect((await raw("/unnamed/cgi-bin/munin/info")).text()).toBe(`${site.root}/cgi-bin/munin /info\n`);
  expect((await raw("/unnamed/nothing.fcgi")).status).toBe(404);
});

describe("with any_path", () => {
  test.each(["/url/", "/url/no/such/file", "/url/a//b", "/url/caf%E9"])(
    "the command serves %s by both web servers, and no file is looked for",
    async (path) => {
      const told = shown((await raw(path)).text());
      const info = decodeURIComponent(path.replace("%E9", "%25E9")).replace("%E9", "\xe9");
      expect(told).toMatchObject({ SCRIPT_FILENAME: site.root + info, SCRIPT_NAME: "", PATH_INFO: info });
      expect(shown((await throughApache(path)).text())).toMatchObject({ SCRIPT_FILENAME: site.root + info });
    },
  );

  test("lighttpd's mappings work, for a prefix and for the whole site", async () => {
    const folder = `${site.folder}/lighttpd`;
    mkdirSync(folder);
    const socket = `"socket" => "${site.fpm.socket}", "check-local" => "disable"`;
    const lighttpd = await startLighttpd({
      folder,
      root: `${site.root}/url`,
      port: freePort(),
      site: `server.modules += ( "mod_fastcgi" )
fastcgi.server += ( "/app" => (( ${socket} )) )
fastcgi.server += ( "/" => (( ${socket}, "fix-root-scriptname" => "enable" )) )
`,
    });
    const told = async (path: string) => shown((await exchange({ port: lighttpd.port, path })).text());
    expect(await told("/app/a/b")).toMatchObject({ SCRIPT_NAME: "/app", PATH_INFO: "/a/b" });
    expect(await told("/a/b")).toMatchObject({ SCRIPT_NAME: "", PATH_INFO: "/a/b" });
    await lighttpd.stop();
  });

  test("another table's interpreter gets files only", async () => {
    site.put("url/up/photo.jpg", '<?php echo "executed";');
    site.put("url/page.php", "<?php echo 7 * 6;");
    expect((await raw("/raw/url/page.php")).text()).toBe("42");
    // It is in the URL space of the first.
    const photo = shown((await raw("/raw/url/up/photo.jpg/x.php")).text());
    expect(photo).toMatchObject({ SCRIPT_NAME: "/url/up/photo.jpg/x.php" });
  });

  test("`..` and NUL are still a 400", async () => {
    using client = await connectFcgi(site.fpm.socket);
    for (const end of ["../secret.txt", "\0"]) {
      const answer: FcgiAnswer = await client.request(`${site.root}/url/${end}`, { keepConn: true });
      expect(answer.stdout).toStartWith("Status: 400");
    }
  });
});
