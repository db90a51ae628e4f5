import { afterAll, beforeAll, describe, test } from "bun:test";
import { Matrix } from "../compatibility/matrix.ts";
import { SERVER_CASES } from "./cases.ts";
import { type ServerSite, startServerSite } from "./server-site.ts";
import { WAYS } from "./ways.ts";

const matrix = new Matrix(
  "servers",
  WAYS.map(({ example, server, version }) => ({ example, version: `${server} ${version()}` })),
  SERVER_CASES.map(({ name }) => name),
);

for (const way of WAYS) {
  describe(`${way.server} with ${way.example}`, () => {
    let site: ServerSite;

    beforeAll(async () => {
      site = await startServerSite(way);
    });

    afterAll(async () => {
      await site[Symbol.asyncDispose]();
    });

    test.each(SERVER_CASES)("$name", ({ name, run }) => matrix.fill(way.example, name, () => run(site)));
  });
}

afterAll(() => matrix.finish());
