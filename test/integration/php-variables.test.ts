import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync } from "node:fs";
import { startApache } from "../support/apache.ts";
import { exchange } from "../support/http-exchange.ts";
import { startNginx } from "../support/nginx.ts";
import { startPhpFpm } from "../support/php-fpm.ts";
import { freePort } from "../support/server-process.ts";
import { type Site, startSite } from "../support/site.ts";

/** Everything a script is told, without what differs from one request to the next. */
const PAGE = `<?php
header("Content-Type: application/json");
foreach (["REQUEST_TIME", "REQUEST_TIME_FLOAT", "REMOTE_PORT", "SERVER_PORT", "HTTP_HOST"] as $name) unset($_SERVER[$name]);
echo json_encode($_SERVER + ["__FILE__" => __FILE__, "getcwd" => getcwd(), "getenv" => getenv("PATH_INFO")], JSON_UNESCAPED_SLASHES);
`;

const LOCATIONS = `
    location /unfixed/ { include /etc/nginx/fastcgi.conf; fastcgi_pass FASTCGI; }
    location /whole/ { include /etc/nginx/fastcgi.conf; fastcgi_pass FASTCGI; }
    location /split/ {
      fastcgi_split_path_info ^(.+?[.]php)(/.*)$;
      include /etc/nginx/fastcgi.conf;
      fastcgi_param PATH_INFO $fastcgi_path_info;
      fastcgi_pass FASTCGI;
    }
    location /translated/ {
      fastcgi_split_path_info ^(.+?[.]php)(/.*)$;
      include /etc/nginx/fastcgi.conf;
      fastcgi_param PATH_INFO $fastcgi_path_info;
      fastcgi_param PATH_TRANSLATED $document_root$fastcgi_path_info;
      fastcgi_pass FASTCGI;
    }
    location /given/ {
      include /etc/nginx/fastcgi.conf;
      fastcgi_param PATH_INFO $fastcgi_script_name;
      fastcgi_pass FASTCGI;
    }
    location /both/ {
      include /etc/nginx/fastcgi.conf;
      fastcgi_param PATH_INFO $fastcgi_script_name;
      fastcgi_param PATH_TRANSLATED $document_root$fastcgi_script_name;
      fastcgi_pass FASTCGI;
    }
    location /front/ {
      include /etc/nginx/fastcgi.conf;
      fastcgi_param SCRIPT_FILENAME $document_root/front/page.php;
      fastcgi_pass FASTCGI;
    }
    location /named/ {
      include /etc/nginx/fastcgi.conf;
      fastcgi_param SCRIPT_FILENAME $document_root/named/page.php;
      fastcgi_param SCRIPT_NAME /named/page.php;
      fastcgi_param PATH_INFO $uri;
      fastcgi_pass FASTCGI;
    }`;
/** By web server the ways to the same page, each in a folder of its name, in which the two see the same; see LOCATIONS and apacheSite. */
const ALIKE = {
  nginx: ["split", "translated", "given", "both", "front", "named"],
  apache: ["handler", "proxy", "match"],
};
const PATHS = ["page.php", "page.php/a/b", "page.php/", "page.php/a//c", "page.php/x.php/y?q=1"];
/** What Apache's RewriteRule leads to page.php with: of files, too, which php-cgi would run or show. */
const REWRITTEN = ["", "news/1", "a%20b", "other.php", "secret.txt", "news/?q=1"];
/** Of the process itself: PHP-FPM's have none but USER and HOME. */
const ENVIRONMENT = [
  "LANG",
  "LOGNAME",
  "PATH",
  "PHP_FCGI_CHILDREN",
  "PHP_FCGI_MAX_REQUESTS",
  "SHELL",
  "STD_FPM_INSTANCE",
];

let site: Site;
const stack = new AsyncDisposableStack();
const ports: { nginx: [number, number]; apache: [number, number] } = { nginx: [0, 0], apache: [0, 0] };

beforeAll(async () => {
  site = await startSite({
    lab: [],
    server: 'listen_mode = "0666"',
    apps: `[[apps]]
match = "$ROOT/**/*.php"
extensions = [".php"]
command = ["/usr/bin/php-cgi"]
children = 2
[[apps]]
match = "$ROOT/unfixed/*.php"
command = ["/usr/bin/php-cgi", "-d", "cgi.fix_pathinfo=0"]
`,
  });
  for (const folder of ["whole", "rewritten", "unfixed", ...Object.values(ALIKE).flat()])
    site.put(`${folder}/page.php`, PAGE, 0o644);
  for (const folder of ["rewritten", "unfixed"]) {
    site.put(`${folder}/other.php`, "<?php echo 'another script';", 0o644);
    site.put(`${folder}/secret.txt`, "a secret", 0o644);
  }
  chmodSync(site.folder, 0o755);
  const phpFpm = await startPhpFpm(site.folder, 2);
  stack.defer(() => phpFpm.stop());
  const sockets = [site.fpm.socket, phpFpm.socket];
  for (const [at, socket] of sockets.entries()) {
    const folder = `${site.folder}/side-${at}`;
    mkdirSync(folder);
    const nginx = await startNginx({
      folder,
      root: site.root,
      fastcgi: `unix:${socket}`,
      locations: LOCATIONS,
    });
    stack.defer(() => nginx.stop());
    ports.nginx[at] = nginx.port;
    const port = freePort();
    const apache = await startApache({ folder, port, site: apacheSite(port, socket) }, ["rewrite"]);
    stack.defer(() => apache.stop());
    ports.apache[at] = port;
  }
});

afterAll(async () => {
  await stack.disposeAsync();
  await site[Symbol.asyncDispose]();
});

function apacheSite(port: number, socket: string): string {
  return `<VirtualHost *:${port}>
DocumentRoot ${site.root}
<Directory ${site.root}>
  Require all granted
</Directory>
<Directory ${site.root}/rewritten>
  RewriteEngine On
  RewriteCond %{REQUEST_URI} !page[.]php
  RewriteRule ^(.*)$ page.php/$1 [L]
</Directory>
<Directory ~ "^${site.root}/(handler|rewritten)/">
  <FilesMatch "[.]php$">
    SetHandler "proxy:unix:${socket}|fcgi://localhost/"
  </FilesMatch>
</Directory>
ProxyPass /proxy/ unix:${socket}|fcgi://localhost${site.root}/proxy/
ProxyPassMatch "^/match/(.*[.]php(/.*)?)$" "unix:${socket}|fcgi://localhost${site.root}/match/$1"
</VirtualHost>
`;
}

/** What a page is told behind std-fpm and not, or otherwise, behind PHP-FPM: each variable with both values; of the environment nothing. */
async function differences(server: keyof typeof ALIKE, path: string): Promise<Record<string, unknown>> {
  const [ours, theirs] = await Promise.all(
    ports[server].map(async (port) => {
      const answer = await exchange({ port, path });
      expect(answer.status).toBe(200);
      return JSON.parse(answer.text().replaceAll(site.root, "ROOT")) as Record<string, unknown>;
    }),
  );
  const names = new Set([...Object.keys(ours ?? {}), ...Object.keys(theirs ?? {})]);
  const differing = [...names].filter((name) => ours?.[name] !== theirs?.[name]);
  const ofScript = differing.filter((name) => !ENVIRONMENT.includes(name) && name !== "STD_FPM_TEST");
  return Object.fromEntries(ofScript.map((name) => [name, [ours?.[name], theirs?.[name]]]));
}

describe("a script sees what it sees behind PHP-FPM", () => {
  const nginx = ALIKE.nginx.flatMap((folder) => PATHS.map((path) => `/${folder}/${path}`));
  test.each([...nginx, ...ALIKE.nginx.map((folder) => `/${folder}/page.php/a%20b/caf%C3%A9`)])(
    "through nginx: %s",
    async (path) => expect(await differences("nginx", path)).toEqual({}),
  );

  const apache = ALIKE.apache.flatMap((folder) => PATHS.map((path) => `/${folder}/${path}`));
  const rewritten = REWRITTEN.map((path) => `/rewritten/${path}`);
  test.each([...apache, ...rewritten])("through Apache: %s", async (path) => {
    const { SCRIPT_FILENAME, ...others } = await differences("apache", path);
    // Behind PHP-FPM SetHandler's path begins with two slashes.
    const [, folder] = /^\/(handler|rewritten)\//.exec(path) ?? [];
    const doubled = folder && [`ROOT/${folder}/page.php`, `/ROOT/${folder}/page.php`];
    expect([SCRIPT_FILENAME, others]).toEqual([doubled, {}]);
  });
});

describe("a script sees what it does not see behind PHP-FPM", () => {
  test("through nginx without PATH_INFO: its own name, and PATH_INFO", async () => {
    expect(await differences("nginx", "/whole/page.php/a/b")).toEqual({
      SCRIPT_NAME: ["/whole/page.php", "/whole/page.php/a/b"],
      ORIG_SCRIPT_NAME: ["/whole/page.php/a/b", undefined],
      PATH_INFO: ["/a/b", undefined],
      PATH_TRANSLATED: ["ROOT/a/b", "ROOT"],
      getenv: ["/a/b", false],
    });
    expect(await differences("nginx", "/whole/page.php")).toEqual({});
  });

  test.each(["proxy", "match"])("through Apache's ProxyPass: PATH_INFO decoded (%s)", async (way) => {
    expect(await differences("apache", `/${way}/page.php/a%20b`)).toEqual({
      PATH_INFO: ["/a b", "/a%20b"],
      PATH_TRANSLATED: ["ROOT/a b", "ROOT/a%20b"],
      PHP_SELF: [`/${way}/page.php/a b`, `/${way}/page.php/a%20b`],
      getenv: ["/a b", "/a%20b"],
    });
  });
});

test.each(["other.php", "secret.txt", "nothing"])(
  "with cgi.fix_pathinfo=0 the script is page.php, whatever PATH_INFO leads to: %s",
  async (name) => {
    const answer = await exchange({ port: ports.nginx[0], path: `/unfixed/page.php/unfixed/${name}` });
    const told = JSON.parse(answer.text()) as Record<string, unknown>;
    expect(told).toMatchObject({
      __FILE__: `${site.root}/unfixed/page.php`,
      PATH_INFO: `/unfixed/${name}`,
      PATH_TRANSLATED: `${site.root}/unfixed/${name}`,
    });
  },
);
