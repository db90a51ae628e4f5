import { remember } from "../base/remembering.ts";

/** RFC 3875 §4.1, and what suEXEC of Apache takes for safe. Left out of that: TZ, which can name a file. */
const SAFE_NAMES: ReadonlySet<string> = new Set([
  "AUTH_TYPE",
  "CONTENT_LENGTH",
  "CONTENT_TYPE",
  "CONTEXT_DOCUMENT_ROOT",
  "CONTEXT_PREFIX",
  "DATE_GMT",
  "DATE_LOCAL",
  "DOCUMENT_ARGS",
  "DOCUMENT_NAME",
  "DOCUMENT_PATH_INFO",
  "DOCUMENT_ROOT",
  "DOCUMENT_URI",
  "FCGI_ROLE",
  "GATEWAY_INTERFACE",
  "HTTPS",
  "LAST_MODIFIED",
  "PATH_INFO",
  "PATH_TRANSLATED",
  "QUERY_STRING",
  "QUERY_STRING_UNESCAPED",
  "REMOTE_ADDR",
  "REMOTE_HOST",
  "REMOTE_IDENT",
  "REMOTE_PORT",
  "REMOTE_USER",
  "REQUEST_METHOD",
  "REQUEST_SCHEME",
  "REQUEST_URI",
  "SCRIPT_FILENAME",
  "SCRIPT_NAME",
  "SCRIPT_URI",
  "SCRIPT_URL",
  "SERVER_ADDR",
  "SERVER_ADMIN",
  "SERVER_NAME",
  "SERVER_PORT",
  "SERVER_PROTOCOL",
  "SERVER_SIGNATURE",
  "SERVER_SOFTWARE",
  "UNIQUE_ID",
  "USER_NAME",
]);
const SAFE_PREFIX = /^(?:HTTP|REDIRECT|SSL)_[A-Za-z0-9_]+$/;
/** Taken by programs for settings of their own: a proxy (httpoxy), and OpenSSL's certificates. */
const UNSAFE = /^(?:HTTP_PROXY$|SSL_CERT_)/;

/**
 * The request as a CGI program is told of it (RFC 3875 §4.1). Whoever can set parameters in a web server, such as a site's owner in
 * .htaccess, must not decide how another one's program is loaded: of all other names nothing is taken. "NAME=value", a character a byte.
 */
export function cgiVariables(params: Iterable<readonly [name: string, value: string]>): string[] {
  const variables = new Map([["GATEWAY_INTERFACE", "GATEWAY_INTERFACE=CGI/1.1"]]);
  for (const [name, value] of params)
    if (isSafe(name) && !value.includes("\0")) variables.set(name, `${name}=${value}`);
  return [...variables.values()];
}

/** What was found of names that have come: web servers send the same ones with every request. */
const known = new Map<string, boolean>();
const MOST_KNOWN = 1000;

function isSafe(name: string): boolean {
  return known.get(name) ?? remember(known, name, isSafeAnew(name), MOST_KNOWN);
}

function isSafeAnew(name: string): boolean {
  return SAFE_NAMES.has(name) || (SAFE_PREFIX.test(name) && !UNSAFE.test(name));
}
