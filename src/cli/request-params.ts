import { resolve } from "node:path";
import { UsageError } from "./arguments.ts";

/** What a command line says about a request. */
export interface RequestDescription {
  /** Path of the program, absolute or from the caller's folder. */
  readonly script: string;
  readonly query: string;
  readonly method: string;
  /** Bytes of the body; undefined when it is not known before its end. */
  readonly length: number | undefined;
  /** `K=V`, each replacing the parameter of that name or adding one. */
  readonly extra: readonly string[];
}

/** The parameters a web server would send for it (CGI 1.1, RFC 3875), a character a byte. */
export function requestParams(request: RequestDescription): [string, string][] {
  const script = absolute(request.script);
  const uri = request.query === "" ? script : `${script}?${request.query}`;
  const params = new Map<string, string>([
    ["GATEWAY_INTERFACE", "CGI/1.1"],
    ["SERVER_PROTOCOL", "HTTP/1.1"],
    ["SERVER_SOFTWARE", "std-fpm"],
    ["SERVER_NAME", "localhost"],
    ["SERVER_ADDR", "127.0.0.1"],
    ["SERVER_PORT", "80"],
    ["REMOTE_ADDR", "127.0.0.1"],
    ["REMOTE_PORT", "0"],
    ["REQUEST_METHOD", request.method],
    ["REQUEST_URI", uri],
    ["QUERY_STRING", request.query],
    ["SCRIPT_FILENAME", script],
    ["SCRIPT_NAME", script],
    ["DOCUMENT_ROOT", "/"],
    ["REDIRECT_STATUS", "200"],
    ["HTTP_HOST", "localhost"],
    ["CONTENT_LENGTH", request.length === undefined ? "" : String(request.length)],
    ["CONTENT_TYPE", ""],
  ]);
  if (request.length === undefined && /^(?:GET|HEAD)$/.test(request.method)) params.delete("CONTENT_LENGTH");
  for (const pair of request.extra) {
    const equals = pair.indexOf("=");
    if (equals < 1) throw new UsageError(`request: --param: expected K=V, found ${JSON.stringify(pair)}`);
    params.set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  return [...params].map(([name, value]) => [byteString(name), byteString(value)]);
}

/** From the caller's folder; what may be PATH_INFO stays as it is. */
function absolute(script: string): string {
  if (script.startsWith("/")) return script;
  const [, above = "", rest = ""] = /^((?:\.{1,2}\/+)*)(.*)$/s.exec(script) ?? [];
  const folder = resolve(above);
  return folder === "/" ? `/${rest}` : `${folder}/${rest}`;
}

function byteString(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
