import { describe, expect, test } from "bun:test";
import type { Log } from "../../src/base/log.ts";
import { createFailureLog } from "../../src/dev/failure-log.ts";
import { httpHeaders, httpParams } from "../../src/dev/http-params.ts";
import { escapeHtml, failurePage, listPage } from "../../src/dev/pages.ts";

const place = {
  script: "/srv/ü/x.fcgi",
  scriptName: "/ü/x.fcgi",
  pathInfo: "/a b\xff",
  root: "/srv",
  port: 8080,
  remoteAddress: "127.0.0.1",
  remotePort: 5000,
};

function params(headers: Record<string, string>, init: RequestInit = {}): Record<string, string> {
  const request = new Request("http://localhost:8080/%C3%BC/x.fcgi/a%20b?q=%20&r", { ...init, headers });
  return Object.fromEntries(httpParams(request, place));
}

describe("parameters of an HTTP request", () => {
  test("paths are bytes, the URL stays encoded", () => {
    expect(params({})).toMatchObject({
      SCRIPT_FILENAME: "/srv/\xc3\xbc/x.fcgi",
      SCRIPT_NAME: "/\xc3\xbc/x.fcgi",
      PATH_INFO: "/a b\xff",
      PATH_TRANSLATED: "/srv/a b\xff",
      REQUEST_URI: "/%C3%BC/x.fcgi/a%20b?q=%20&r",
      QUERY_STRING: "q=%20&r",
      REQUEST_METHOD: "GET",
      SERVER_PORT: "8080",
      REMOTE_PORT: "5000",
      CONTENT_LENGTH: "",
    });
  });

  test("headers become HTTP_ parameters, type and length of the body have names of their own", () => {
    const sent = params(
      { "X-Some-Thing": "1", Authorization: "Basic x", "Content-Type": "text/x" },
      { method: "POST" },
    );
    expect(sent).toMatchObject({
      HTTP_X_SOME_THING: "1",
      HTTP_AUTHORIZATION: "Basic x",
      CONTENT_TYPE: "text/x",
    });
    expect(sent).not.toHaveProperty("HTTP_CONTENT_TYPE");
  });

  test("what belongs to one connection, or could pass for something else, is left out", () => {
    const sent = params({
      Proxy: "http://evil",
      Connection: "close, X-Once",
      "X-Once": "1",
      "Keep-Alive": "1",
      TE: "x",
      X_A: "1",
    });
    const names = Object.keys(sent).filter((name) => name.startsWith("HTTP_"));
    expect(names).toEqual([]);
  });
});

describe("headers of an answer", () => {
  test("cookies stay apart, hop-by-hop headers go", () => {
    const headers = httpHeaders([
      ["Set-Cookie", "a=1"],
      ["Set-Cookie", "b=2"],
      ["Connection", "X-Mine"],
      ["X-Mine", "1"],
      ["Transfer-Encoding", "chunked"],
      ["X-Yours", "\xfc"],
    ]);
    expect([...headers].sort()).toEqual([
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
      ["x-yours", "\xfc"],
    ]);
  });
});

describe("pages", () => {
  test("nothing that a program, a file or a URL says becomes markup", async () => {
    const evil = `<script>"'&`;
    expect(escapeHtml(evil)).toBe("&#60;script&#62;&#34;&#39;&#38;");
    const failure = failurePage({ status: 502, reason: evil, stderr: [evil] });
    const list = listPage(evil, [{ url: `/${encodeURIComponent(evil)}'`, isExecutable: true }], true);
    for (const page of [failure, list]) {
      const html = await page.text();
      expect(html).not.toContain("<script>");
      expect(html).not.toMatch(/href="[^"]*'/);
      expect(page.headers.get("content-security-policy")).toStartWith("default-src 'none'");
    }
  });

  test("a program that is not executable is listed with what to do", async () => {
    expect(await listPage("/d", [{ url: "/x", isExecutable: false }], false).text()).toContain("chmod +x");
    expect(await listPage("/d", [], false).text()).toContain("no program here yet");
  });
});

describe("the log behind the failure page", () => {
  const nothing = () => {};
  const silent: Log = { isDebug: false, debug: nothing, info: nothing, warn: nothing, error: nothing };

  test("every line goes on, at its level", () => {
    const lines: unknown[] = [];
    const note = (level: string) => (message: string, fields?: object) =>
      void lines.push([level, message, fields]);
    const behind = {
      isDebug: true,
      debug: note("debug"),
      info: note("info"),
      warn: note("warn"),
      error: note("error"),
    };
    const { log } = createFailureLog(behind);
    log.debug("a");
    log.warn("b", { x: 1 });
    expect(lines).toEqual([
      ["debug", "a", undefined],
      ["warn", "b", { x: 1 }],
    ]);
  });

  test("a failure is taken once, by the path of its request, the oldest first", () => {
    const failures = createFailureLog(silent);
    failures.log.error("first", { code: "X", uri: "/a", program: "/p" });
    failures.log.error("second", { code: "X", uri: "/a" });
    failures.log.error("no request", { code: "X" });
    expect(failures.takeFailure("/b")).toBeUndefined();
    expect(failures.takeFailure("/a")).toMatchObject({ reason: "first", program: "/p" });
    expect(failures.takeFailure("/a")).toMatchObject({ reason: "second", program: "" });
    expect(failures.takeFailure("/a")).toBeUndefined();
  });

  test("the last 30 lines of stderr of 200 programs and 100 failures are kept", () => {
    const failures = createFailureLog(silent);
    for (let i = 0; i < 31; i++) failures.log.warn(`line ${i}`, { program: "/p", stream: "stderr" });
    failures.log.warn("out", { program: "/p", stream: "stdout" });
    expect(failures.stderrOf("/p")).toHaveLength(30);
    expect(failures.stderrOf("/p").at(-1)).toBe("line 30");
    for (let i = 0; i < 199; i++) failures.log.warn("x", { program: `/${i}`, stream: "stderr" });
    expect(failures.stderrOf("/p")).toHaveLength(30);
    failures.log.warn("x", { program: "/one-more", stream: "stderr" });
    expect(failures.stderrOf("/p")).toEqual([]);
    for (let i = 0; i < 101; i++) failures.log.error("x", { code: "X", uri: `/${i}` });
    expect(failures.takeFailure("/0")).toBeUndefined();
    expect(failures.takeFailure("/1")).toBeDefined();
  });
});
