import { versionOf } from "../compatibility/version-of.ts";
import { startApache } from "../support/apache.ts";
import { startCaddy } from "../support/caddy.ts";
import { startHaproxy } from "../support/haproxy.ts";
import { startLighttpd } from "../support/lighttpd.ts";
import { startNginxSite } from "../support/nginx-site.ts";
import { freePort, type WebServer, type WebServerOptions } from "../support/server-process.ts";
import { adaptedExample } from "./example-file.ts";

/** Where a test has what the examples expect in an installation's places. */
export interface Places {
  /** /srv/www in the examples. */
  readonly root: string;
  /** /run/std-fpm/std-fpm.sock in the examples. */
  readonly socket: string;
  /** An existing folder for what the server writes. */
  readonly folder: string;
}

/** A web server, and what is its own way of doing things. */
interface Server {
  readonly server: "nginx" | "Apache" | "lighttpd" | "Caddy" | "HAProxy";
  readonly version: () => string;
  /** How an example says that it listens on port 80; undefined where it does not. */
  readonly port80?: readonly [before: string, after: string];
  /** The status of an answer that has `Location:` but no `Status:`. */
  readonly locationStatus: 200 | 302;
  /** It notices a broken answer without Content-Length, logs it, and ends it towards the client as if it were whole. */
  readonly hidesBrokenAnswers?: true;
  /** What it answers itself, in another's place and whatever stands behind it. */
  readonly ownStatus?: Readonly<Partial<Record<"file" | "head" | "chunked" | "redirect", number>>>;
  start(options: WebServerOptions, places: Places): Promise<WebServer>;
}

/** One way to put a web server in front of std-fpm: a file of examples/. */
export interface Way extends Server {
  readonly example: string;
  /** Whether a connection to std-fpm carries several requests. */
  readonly keepsConnections?: true;
  /** The URL's path of a program, by its name without the extension. */
  url(program: string): string;
  /** Where that program's file lies below the root. */
  file(program: string): string;
}

const nginx: Server = {
  server: "nginx",
  version: () => versionOf("nginx", "-v"),
  port80: ["listen ", ";"],
  locationStatus: 302,
  start: startNginxSite,
};
const apache: Server = {
  server: "Apache",
  version: () => versionOf("apache2", "-v"),
  port80: ["<VirtualHost *:", ">"],
  locationStatus: 200,
  start: (options) => startApache(options),
};
const lighttpd: Server = {
  server: "lighttpd",
  version: () => versionOf("lighttpd", "-v"),
  locationStatus: 302,
  start: (options, { root }) => startLighttpd({ ...options, root }),
};
const caddy: Server = {
  server: "Caddy",
  version: () => versionOf("caddy", "version"),
  port80: ["\n:", " {"],
  locationStatus: 200,
  hidesBrokenAnswers: true,
  start: startCaddy,
};
const haproxy: Server = {
  server: "HAProxy",
  version: () => versionOf("haproxy", "-v"),
  port80: ["bind :", "\n"],
  locationStatus: 302,
  ownStatus: { file: 503, head: 502, chunked: 400, redirect: 302 },
  start: startHaproxy,
};

/** Programs lie anywhere, beside other files. */
const anywhere = {
  url: (program: string) => `/${program}.fcgi`,
  file: (program: string) => `${program}.fcgi`,
};
const inCgiBin = {
  url: (program: string) => `/cgi-bin/${program}.fcgi`,
  file: (program: string) => `cgi-bin/${program}.fcgi`,
};
const hiddenCgiBin = { ...inCgiBin, url: (program: string) => `/${program}` };

/** All ways that are tested. */
export const WAYS: readonly Way[] = [
  { ...nginx, ...anywhere, example: "servers/nginx.conf" },
  { ...nginx, ...anywhere, example: "servers/nginx-keepalive.conf", keepsConnections: true },
  { ...nginx, ...anywhere, example: "servers/nginx-streaming.conf" },
  { ...nginx, ...hiddenCgiBin, example: "servers/nginx-cgi-bin.conf" },
  { ...apache, ...anywhere, example: "servers/apache.conf" },
  { ...apache, ...anywhere, example: "servers/apache-keepalive.conf", keepsConnections: true },
  { ...apache, ...anywhere, example: "servers/apache-proxypass.conf" },
  { ...apache, ...anywhere, example: "servers/apache-generic.conf" },
  { ...lighttpd, ...anywhere, example: "servers/lighttpd.conf" },
  { ...lighttpd, ...inCgiBin, example: "servers/lighttpd-cgi-bin.conf" },
  { ...caddy, ...anywhere, example: "servers/Caddyfile" },
  { ...haproxy, ...anywhere, example: "servers/haproxy.cfg", keepsConnections: true },
  { ...haproxy, ...anywhere, example: "servers/haproxy-multiplexed.cfg", keepsConnections: true },
];

/** Starts the web server of a way with its example, in which only the places and the port are replaced. */
export function startWay(way: Way, places: Places): Promise<WebServer> {
  const port = freePort();
  const site = adaptedExample(way.example, [
    ["/run/std-fpm/std-fpm.sock", places.socket],
    // lighttpd's document root is a matter of its main file.
    ...(way.server === "lighttpd" ? [] : [["/srv/www", places.root] as const]),
    ...(way.port80 ? [[way.port80.join("80"), way.port80.join(String(port))] as const] : []),
  ]);
  return way.start({ folder: places.folder, site, port }, places);
}
