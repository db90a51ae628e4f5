import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { versionOf } from "../compatibility/version-of.ts";
import { startApache } from "../support/apache.ts";
import { exchange } from "../support/http-exchange.ts";
import { startLighttpd } from "../support/lighttpd.ts";
import { freePort, type WebServer } from "../support/server-process.ts";
import { type StdFpm, startStdFpm } from "../support/std-fpm.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";
import { ACCOUNT, type AskPrivate } from "./authorizer-cases.ts";
import { adaptedExample } from "./example-file.ts";

const APACHE_MODULES = ["authn_core", "authz_user", "auth_basic", "authnz_fcgi"];

/** What a web server of the test is told of. */
interface AuthorizerPlaces {
  readonly dir: TempDir;
  readonly socket: string;
  /** Of std-fpm, for who connects to TCP addresses only. */
  readonly tcpPort: number;
}

/** A web server that knows authorizers. */
export interface AuthorizerWay {
  readonly example: string;
  readonly version: () => string;
  start(places: AuthorizerPlaces): Promise<WebServer>;
}

/** All web servers that are tested with an authorizer. */
export const AUTHORIZER_WAYS: readonly AuthorizerWay[] = [
  {
    example: "servers/lighttpd-authorizer.conf",
    version: () => `lighttpd ${versionOf("lighttpd", "-v")}`,
    start({ dir, socket }) {
      const site = adaptedExample("servers/lighttpd-authorizer.conf", [
        ["/run/std-fpm/std-fpm.sock", socket],
      ]);
      return startLighttpd({ folder: dir.at("server"), root: dir.at("www"), port: freePort(), site });
    },
  },
  {
    example: "servers/apache-authorizer.conf",
    version: () => `Apache ${versionOf("apache2", "-v")}`,
    start({ dir, tcpPort }) {
      const port = freePort();
      const site = adaptedExample("servers/apache-authorizer.conf", [
        ["127.0.0.1:9010", `127.0.0.1:${tcpPort}`],
        ["/srv/www", dir.at("www")],
        ["<VirtualHost *:80>", `<VirtualHost *:${port}>`],
      ]);
      return startApache({ folder: dir.at("server"), port, site }, APACHE_MODULES);
    },
  },
];

/** A web server, and one std-fpm for programs and their authorizer. */
export interface AuthorizerSite extends AsyncDisposable {
  readonly ask: AskPrivate;
}

/** Starts it all. */
export async function startAuthorizerSite(way: AuthorizerWay): Promise<AuthorizerSite> {
  const dir = makeTempDir();
  chmodSync(dir.path, 0o755);
  for (const folder of ["www/private", "authorizer", "server"])
    mkdirSync(dir.at(folder), { recursive: true });
  putProgram("dist/test-programs/lab", dir.at("www/private/lab.fcgi"));
  putProgram("examples/perl/login.fcgi", dir.at("authorizer/login.fcgi"));
  writeFileSync(dir.at("www/private/page.html"), "private page");
  writeFileSync(
    dir.at("authorizer/passwords"),
    `${ACCOUNT.name}:${Bun.password.hashSync(ACCOUNT.password, "bcrypt")}\n`,
  );

  const tcpPort = freePort();
  const stack = new AsyncDisposableStack();
  stack.defer(() => dir[Symbol.dispose]());
  try {
    const fpm = await startProtected(dir, tcpPort);
    stack.defer(() => fpm.stop());
    const places = { dir, socket: fpm.socket, tcpPort };
    const server = await way.start(places);
    stack.defer(() => server.stop());
    return {
      ask: (path, request = {}) => exchange({ port: server.port, path: `/private/${path}`, ...request }),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** The `[[apps]]` of the example; where it listens is the test's affair. */
function startProtected(dir: TempDir, port: number): Promise<StdFpm> {
  const example = adaptedExample("servers/authorizer.toml", [
    ["/srv/www", dir.at("www")],
    ["/srv/authorizer", dir.at("authorizer")],
  ]);
  return startStdFpm({
    folder: dir.path,
    server: 'listen_mode = "0666"',
    alsoListen: [`127.0.0.1:${port}`],
    app: `roots = ["${dir.at("www")}"]`,
    apps: example.slice(example.indexOf("[[apps]]")),
  });
}

function putProgram(original: string, path: string): void {
  copyFileSync(resolve(original), path);
  chmodSync(path, 0o755);
}
