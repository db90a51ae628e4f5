import { describe, expect, test } from "bun:test";
import { encodeHead } from "../../src/fcgi/encoder.ts";
import { RequestHead } from "../../src/fcgi/head.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import { FCGI_AUTHORIZER, FCGI_FILTER, FCGI_RESPONDER } from "../../src/fcgi/protocol.ts";
import { headerOf, type OwnPages, ownPageFor } from "../../src/status/own-page.ts";

const pages: OwnPages = {
  statusPath: "/fpm-status",
  pingPath: "/fpm-ping",
  htmlPolicy: "the policy",
};

function headOf(params: Record<string, string>, role = FCGI_RESPONDER): RequestHead {
  return new RequestHead(encodeHead(1, role, false, encodeParams(Object.entries(params))));
}

const statusOf = (query: string, method = "GET") =>
  ownPageFor(headOf({ SCRIPT_NAME: "/fpm-status", QUERY_STRING: query, REQUEST_METHOD: method }), pages);

describe("a request is ours", () => {
  test.each<[string, Record<string, string>, boolean]>([
    ["by its SCRIPT_NAME", { SCRIPT_NAME: "/fpm-ping" }, true],
    ["whatever SCRIPT_FILENAME says", { SCRIPT_NAME: "/fpm-ping", SCRIPT_FILENAME: "/srv/a.php" }, true],
    ["not by its SCRIPT_FILENAME", { SCRIPT_FILENAME: "/fpm-ping" }, false],
    ["not by its URI", { SCRIPT_NAME: "/a.php", REQUEST_URI: "/fpm-ping" }, false],
    ["not by the beginning of its name", { SCRIPT_NAME: "/fpm-ping/" }, false],
    ["not by its name in capitals", { SCRIPT_NAME: "/FPM-PING" }, false],
  ])("%s", (_what, params, isOurs) => {
    expect(ownPageFor(headOf(params), pages) !== undefined).toBe(isOurs);
  });

  test("never without a path, not even one that has no name itself", () => {
    const off = { ...pages, statusPath: "", pingPath: "" };
    for (const params of [{}, { SCRIPT_NAME: "" }, { SCRIPT_NAME: "/fpm-ping" }])
      expect(ownPageFor(headOf(params), off)).toBeUndefined();
  });

  test("not as an authorizer's or a filter's", () => {
    for (const role of [FCGI_AUTHORIZER, FCGI_FILTER])
      expect(ownPageFor(headOf({ SCRIPT_NAME: "/fpm-ping" }, role), pages)).toBeUndefined();
  });
});

describe("the page", () => {
  test.each([
    ["", "text/plain; charset=utf-8", "text"],
    ["unknown=1", "text/plain; charset=utf-8", "text"],
    ["constructor&toString", "text/plain; charset=utf-8", "text"],
    ["json", "application/json", "json"],
    ["full&json=", "application/json", "json"],
    ["openmetrics", "application/openmetrics-text; version=1.0.0; charset=utf-8", "openmetrics"],
    ["html", "text/html; charset=utf-8", "html"],
    ["html&json", "text/html; charset=utf-8", "html"],
  ] as const)("for ?%s is %s", (query, type, form) => {
    const page = statusOf(query);
    expect([page?.status, page?.headers["Content-Type"]]).toEqual(["200 OK", type]);
    expect(page?.body).toMatchObject({ form });
  });

  test("lists processes with ?full alone", () => {
    for (const form of ["", "json", "html"]) {
      expect(statusOf(form)?.body).toMatchObject({ isFull: false });
      expect(statusOf(`${form}&full`)?.body).toMatchObject({ isFull: true });
    }
  });

  test("runs nothing in a browser", () => {
    expect(statusOf("html")?.headers["Content-Security-Policy"]).toBe("the policy");
    for (const query of ["", "json", "html"])
      expect(statusOf(query)?.headers["X-Content-Type-Options"]).toBe("nosniff");
  });

  test("for HEAD has the same header and no body; other methods are not allowed", () => {
    expect(statusOf("json", "HEAD")).toEqual({ ...statusOf("json"), body: "" } as never);
    for (const method of ["POST", "OPTIONS", "get"]) {
      const page = statusOf("json", method);
      expect([page?.status, page?.headers["Allow"]]).toEqual(["405 Method Not Allowed", "GET, HEAD"]);
    }
  });

  test("as a response begins with Status, header fields and an empty line", () => {
    expect(headerOf({ status: "200 OK", headers: { A: "1", B: "2" }, body: "text" })).toBe(
      "Status: 200 OK\r\nA: 1\r\nB: 2\r\n\r\n",
    );
  });
});
