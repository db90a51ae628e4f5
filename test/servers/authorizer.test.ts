import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Matrix } from "../compatibility/matrix.ts";
import { run } from "../support/run-cli.ts";
import { AUTHORIZER_CASES } from "./authorizer-cases.ts";
import { AUTHORIZER_WAYS, type AuthorizerSite, startAuthorizerSite } from "./authorizer-site.ts";

const matrix = new Matrix(
  "authorizers",
  AUTHORIZER_WAYS.map(({ example, version }) => ({ example, version: version() })),
  AUTHORIZER_CASES.map(({ name }) => name),
);

for (const way of AUTHORIZER_WAYS) {
  describe(`an authorizer with ${way.example}`, () => {
    let site: AuthorizerSite;

    beforeAll(async () => {
      site = await startAuthorizerSite(way);
    });

    afterAll(async () => {
      await site[Symbol.asyncDispose]();
    });

    test.each(AUTHORIZER_CASES)("$name", ({ name, run }) =>
      matrix.fill(way.example, name, () => run(site.ask)),
    );
  });
}

test("the example of a std-fpm for an authorizer is a good configuration", async () => {
  const { err, status } = await run("check", "--config", "examples/servers/authorizer.toml");
  expect([status, err.includes("unknown key")]).toEqual([0, false]);
});

afterAll(() => matrix.finish());
