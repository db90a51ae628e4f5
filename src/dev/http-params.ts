/** Where an HTTP request came in. */
export interface HttpPlace {
  readonly script: string;
  readonly scriptName: string;
  /** A character a byte. */
  readonly pathInfo: string;
  readonly root: string;
  readonly port: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** Headers that belong to one connection (RFC 9110, section 7.6.1), not to the request or the answer. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/** `Proxy` would become HTTP_PROXY, which programs take for their own setting (httpoxy). */
const DROPPED: ReadonlySet<string> = new Set(["proxy", "content-type", "content-length"]);

/** The parameters of RFC 3875 for an HTTP request, a character a byte. */
export function httpParams(request: Request, place: HttpPlace): [string, string][] {
  const url = new URL(request.url);
  const params: [string, string][] = [
    ["GATEWAY_INTERFACE", "CGI/1.1"],
    ["SERVER_PROTOCOL", "HTTP/1.1"],
    ["SERVER_SOFTWARE", "std-fpm-dev"],
    ["SERVER_NAME", url.hostname],
    ["SERVER_ADDR", "127.0.0.1"],
    ["SERVER_PORT", String(place.port)],
    ["REMOTE_ADDR", place.remoteAddress],
    ["REMOTE_PORT", String(place.remotePort)],
    ["REQUEST_SCHEME", "http"],
    ["REQUEST_METHOD", request.method],
    ["REQUEST_URI", url.pathname + url.search],
    ["QUERY_STRING", url.search.slice(1)],
    ["DOCUMENT_ROOT", byteString(place.root)],
    ["SCRIPT_FILENAME", byteString(place.script)],
    ["SCRIPT_NAME", byteString(place.scriptName)],
    ["REDIRECT_STATUS", "200"],
    ["CONTENT_TYPE", request.headers.get("content-type") ?? ""],
    ["CONTENT_LENGTH", request.headers.get("content-length") ?? ""],
  ];
  if (place.pathInfo !== "") {
    params.push(["PATH_INFO", place.pathInfo], ["PATH_TRANSLATED", byteString(place.root) + place.pathInfo]);
  }
  const dropped = connectionNames(request.headers);
  for (const [name, value] of request.headers) {
    // A name with an underscore could pass for another one.
    if (dropped.has(name) || DROPPED.has(name) || !/^[a-z0-9-]+$/.test(name)) continue;
    params.push([`HTTP_${name.toUpperCase().replaceAll("-", "_")}`, headerBytes(value)]);
  }
  return params;
}

/** The headers of a program's answer that may go to the browser. */
export function httpHeaders(headers: readonly (readonly [string, string])[]): Headers {
  const all = new Headers();
  for (const [name, value] of headers) all.append(name, value);
  for (const name of connectionNames(all)) all.delete(name);
  return all;
}

/** Hop-by-hop headers, and those that `Connection` names. */
function connectionNames(headers: Headers): ReadonlySet<string> {
  const named = (headers.get("connection") ?? "").toLowerCase().split(",");
  return new Set([
    ...HOP_BY_HOP,
    ...named.map((name) => name.trim()).filter((name) => /^[a-z0-9-]+$/.test(name)),
  ]);
}

function byteString(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

function headerBytes(value: string): string {
  for (let at = 0; at < value.length; at++) if (value.charCodeAt(at) > 0xff) return byteString(value);
  return value;
}
