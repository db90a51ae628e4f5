import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Way } from "../support/nginx.ts";
import { patternBytes } from "../support/pattern.ts";
import { type Site, startSite } from "../support/site.ts";

let site: Site;

beforeAll(async () => {
  site = await startSite();
});

afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

const WAYS: Way[] = ["direct", "kept", "unbuffered"];

describe.each(WAYS)("through nginx, %s,", (way) => {
  test("GET has a whole answer", async () => {
    const answer = await site.ask("lab.fcgi?op=download&bytes=100000", { way });
    expect([answer.status, answer.bodyLength]).toEqual([200, 100_000]);
    expect(answer.end).not.toBe("aborted");
    expect(Buffer.compare(answer.body, patternBytes(100_000))).toBe(0);
  });

  test("HEAD has the headers and no body", async () => {
    const answer = await site.ask("lab.fcgi?op=sized&bytes=100000", { way, method: "HEAD" });
    expect([answer.status, answer.end, answer.bodyLength]).toEqual([200, "complete", 0]);
    expect(answer.headers.get("content-length")).toBe("100000");
  });

  test.each([0, 10, 300 * 1024])("POST of %d bytes comes back byte for byte", async (length) => {
    const body = patternBytes(length);
    const answer = await site.ask("lab.fcgi?op=echo", { way, body });
    expect([answer.status, answer.bodyLength]).toEqual([200, length]);
    expect(Buffer.compare(answer.body, body)).toBe(0);
  });

  test("a chunked upload comes back byte for byte", async () => {
    const body = patternBytes(300 * 1024);
    const chunks = [1, 10, 4096, 100_000, body.length].map((end, i, ends) =>
      body.subarray(ends[i - 1] ?? 0, end),
    );
    const answer = await site.ask("lab.fcgi?op=echo", { way, body: { chunks, length: "chunked" } });
    expect([answer.status, answer.bodyLength]).toEqual([200, body.length]);
    expect(Buffer.compare(answer.body, body)).toBe(0);
  });

  test.each(["PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])("%s reaches the program", async (method) => {
    const answer = await site.ask("lab.fcgi?op=env", { way, method });
    expect(answer.text().split("\n")).toContain(`REQUEST_METHOD=${method}`);
  });

  test.each([201, 302, 404, 418, 500, 503])("the program's own status %d is the client's", async (status) => {
    expect((await site.ask(`lab.fcgi?op=status&code=${status}`, { way })).status).toBe(status);
  });
});

test("40 KiB of headers arrive, every one", async () => {
  const answer = await site.ask("lab.fcgi?op=headers&kib=40", { way: "wide" });
  expect([answer.status, answer.end]).toEqual([200, "complete"]);
  expect([...answer.headers.keys()].filter((name) => name.startsWith("x-lab-0")).length).toBe(40);
  expect(answer.headers.get("x-lab-last")).toBe("yes");
});

test("a chunked upload of unknown length is given to the program with its true length or none", async () => {
  const body = patternBytes(200_000);
  const count = (way: Way) =>
    site.ask("lab.fcgi?op=count", { way, body: { chunks: [body], length: "chunked" } });
  expect((await count("direct")).text()).toBe("200000");
  expect((await count("unbuffered")).text()).toBe("200000");
});

test("20 KiB of request headers reach the program", async () => {
  const value = "v".repeat(5_000);
  const headers = { "X-A": value, "X-B": value, "X-C": value, "X-D": value };
  const answer = await site.ask("lab.fcgi?op=env", { headers });
  expect(answer.text().split("\n")).toContain(`HTTP_X_D=${value}`);
});

test("the header Proxy does not become HTTP_PROXY", async () => {
  const answer = await site.ask("lab.fcgi?op=env", { headers: { Proxy: "http://attacker.example" } });
  expect(answer.text()).not.toContain("HTTP_PROXY=");
});

test("a program's answer comes piece by piece when the web server does not buffer it", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const answer = site.ask("lab.fcgi?op=drip&ms=2000", {
    way: "unbuffered",
    onBody: () => resolve(),
  });
  await promise;
  expect(Bun.peek.status(answer)).toBe("pending");
  expect((await answer).bodyLength).toBe("first last".length);
});
