import { describe, expect, test } from "bun:test";
import { cgiVariables } from "../../src/start/cgi-environment.ts";

/** Names that loaders, shells, interpreters and the C library act upon. */
const ACTED_UPON = [
  "LD_PRELOAD",
  "LD_LIBRARY_PATH",
  "LD_AUDIT",
  "PATH",
  "IFS",
  "BASH_ENV",
  "ENV",
  "BASH_FUNC_ls%%",
  "PERL5OPT",
  "PERL5LIB",
  "PYTHONPATH",
  "PYTHONSTARTUP",
  "RUBYOPT",
  "NODE_OPTIONS",
  "PHPRC",
  "PHP_INI_SCAN_DIR",
  "GCONV_PATH",
  "MALLOC_CONF",
  "GLIBC_TUNABLES",
  "TZ",
  "TZDIR",
  "LOCPATH",
  "LANG",
  "HOSTALIASES",
  "RESOLV_HOST_CONF",
  "TMPDIR",
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "HTTP_PROXY",
  "STD_FPM_INSTANCE",
  "ld_preload",
  "XLD_PRELOAD",
];
const META_VARIABLES = [
  "AUTH_TYPE",
  "CONTENT_LENGTH",
  "CONTENT_TYPE",
  "GATEWAY_INTERFACE",
  "PATH_INFO",
  "PATH_TRANSLATED",
  "QUERY_STRING",
  "REMOTE_ADDR",
  "REMOTE_HOST",
  "REMOTE_IDENT",
  "REMOTE_USER",
  "REQUEST_METHOD",
  "SCRIPT_NAME",
  "SERVER_NAME",
  "SERVER_PORT",
  "SERVER_PROTOCOL",
  "SERVER_SOFTWARE",
];
const OF_WEB_SERVERS = [
  "CONTEXT_DOCUMENT_ROOT",
  "CONTEXT_PREFIX",
  "DOCUMENT_ROOT",
  "DOCUMENT_URI",
  "FCGI_ROLE",
  "HTTPS",
  "REDIRECT_STATUS",
  "REDIRECT_URL",
  "REMOTE_PORT",
  "REQUEST_SCHEME",
  "REQUEST_URI",
  "SCRIPT_FILENAME",
  "SCRIPT_URI",
  "SCRIPT_URL",
  "SERVER_ADDR",
  "SERVER_ADMIN",
  "SSL_CLIENT_S_DN",
  "SSL_PROTOCOL",
  "UNIQUE_ID",
];
const HEADERS = ["HTTP_HOST", "HTTP_COOKIE", "HTTP_X_FORWARDED_FOR", "HTTP_LD_PRELOAD", "HTTP_PROXY_X"];

describe("the variables that a request gives a CGI program", () => {
  test.each([...META_VARIABLES, ...OF_WEB_SERVERS, ...HEADERS])("%s is one", (name) => {
    expect(cgiVariables([[name, "v"]])).toContain(`${name}=v`);
  });

  test.each(ACTED_UPON)("%s is none: programs would act upon it", (name) => {
    expect(cgiVariables([[name, "v"]])).toEqual(["GATEWAY_INTERFACE=CGI/1.1"]);
  });

  test.each([
    ["", "an empty name"],
    ["HTTP_", "no header"],
    ["HTTP_A=LD_PRELOAD", "an equals sign"],
    ["HTTP_A-B", "a name that no shell can have"],
    ["HTTP_A\0LD_PRELOAD", "a NUL"],
    ["__proto__", "a name of the language's own"],
  ])("%j is none: %s", (name) => {
    expect(cgiVariables([[name, "v"]])).toEqual(["GATEWAY_INTERFACE=CGI/1.1"]);
  });

  test("have no value with a NUL: it would end there", () => {
    expect(cgiVariables([["QUERY_STRING", "a\0b"]])).toEqual(["GATEWAY_INTERFACE=CGI/1.1"]);
  });

  test("are bytes, and the last of several values", () => {
    expect(cgiVariables([["PATH_INFO", "/\u00c3\u00a4"]])).toContain("PATH_INFO=/\u00c3\u00a4");
    expect(cgiVariables([["PATH_INFO", "/\u00e4\u0000"]])).toHaveLength(1);
    expect(
      cgiVariables([
        ["HTTPS", "a"],
        ["HTTPS", "\u00e4"],
      ]),
    ).toEqual(["GATEWAY_INTERFACE=CGI/1.1", "HTTPS=\u00e4"]);
  });
});
