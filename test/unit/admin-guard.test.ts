import { describe, expect, test } from "bun:test";
import { refusalOf } from "../../src/admin/guard.ts";

const visit = (changes: object) => ({
  method: "GET",
  host: "localhost",
  origin: null,
  site: null,
  ...changes,
});
const status = (changes: object, mayAct = true) => refusalOf(visit(changes), mayAct)?.status;

describe("a visit", () => {
  test.each(["localhost", "localhost:9001", "LOCALHOST", "127.0.0.1:80", "[::1]:9001", "localhost:65535"])(
    "by the name %p is welcome",
    (host) => expect(status({ host })).toBeUndefined(),
  );

  test.each([
    null,
    "",
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example:80",
    "localhost:80@evil",
    "localhost:65536",
    "[::1]:99999",
  ])("by the name %p is refused", (host) => expect(status({ host })).toBe(421));

  test("by another method than GET, HEAD and POST is refused", () => {
    expect(["HEAD", "PUT", "DELETE", "OPTIONS"].map((method) => status({ method }))).toEqual([
      undefined,
      405,
      405,
      405,
    ]);
  });
});

describe("an action", () => {
  const action = (changes: object, mayAct = true) =>
    status({ method: "POST", host: "localhost:9001", ...changes }, mayAct);

  test("is for the dashboard, and for what is no browser", () => {
    expect(action({})).toBeUndefined();
    expect(action({ origin: "http://localhost:9001", site: "same-origin" })).toBeUndefined();
  });

  test.each([
    { origin: "http://evil.example" },
    { origin: "null" },
    { origin: "" },
    { origin: "http://localhost:8080" },
    { origin: "https://localhost:9001" },
    { site: "cross-site" },
    { site: "same-site" },
    { origin: "http://localhost:9001", site: "cross-site" },
  ])("from %p is refused", (changes) => expect(action(changes)).toBe(403));

  test("over TCP is refused, whoever asks", () => expect(action({}, false)).toBe(403));
});
