import { expect } from "bun:test";
import type { HttpAnswer, HttpRequest } from "../support/http-exchange.ts";
import { patternBytes } from "../support/pattern.ts";

/** Asks for something below /private/. */
export type AskPrivate = (path: string, request?: Omit<HttpRequest, "port" | "path">) => Promise<HttpAnswer>;

/** What a web server must do with an authorizer behind std-fpm. */
export interface AuthorizerCase {
  readonly name: string;
  run(ask: AskPrivate): Promise<unknown>;
}

/** The one account of the test. */
export const ACCOUNT = { name: "ada", password: "engine" };

/** All cases, in the order of the table. */
export const AUTHORIZER_CASES: readonly AuthorizerCase[] = [
  {
    name: "nobody: 401",
    async run(ask) {
      const answer = await ask("page.html");
      expect([answer.status, answer.text().includes("private page")]).toEqual([401, false]);
      expect(answer.headers.get("www-authenticate")).toBe('Basic realm="private"');
    },
  },
  {
    name: "wrong password: 401",
    async run(ask) {
      expect((await ask("page.html", as("ada", "wrong"))).status).toBe(401);
      expect((await ask("lab.fcgi?op=env", as("eve", "engine"))).status).toBe(401);
    },
  },
  {
    name: "a file for the right one",
    async run(ask) {
      const answer = await ask("page.html", as(ACCOUNT.name, ACCOUNT.password));
      expect([answer.status, answer.text()]).toEqual([200, "private page"]);
    },
  },
  {
    name: "a program gets `Variable-…`",
    async run(ask) {
      const answer = await ask("lab.fcgi/info?op=env", as(ACCOUNT.name, ACCOUNT.password));
      expect(answer.status).toBe(200);
      const lines = answer.text().split("\n");
      expect(lines).toContain("ACCOUNT=ada");
      expect(lines).toContain("PATH_INFO=/info");
    },
  },
  {
    name: "a program gets the body",
    async run(ask) {
      const body = patternBytes(300 * 1024);
      const answer = await ask("lab.fcgi?op=echo", { body, ...as(ACCOUNT.name, ACCOUNT.password) });
      expect(answer.status).toBe(200);
      expect(Buffer.compare(answer.body, body)).toBe(0);
    },
  },
];

function as(name: string, password: string) {
  return { headers: { Authorization: `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}` } };
}
