import { afterAll, beforeAll, describe, test } from "bun:test";
import { Matrix } from "../compatibility/matrix.ts";
import { LANGUAGE_CASES } from "./cases.ts";
import { type LanguageSite, startLanguageSite } from "./language-site.ts";
import { LANGUAGES } from "./languages.ts";

const matrix = new Matrix(
  "languages",
  LANGUAGES.map(({ example, version }) => ({ example, version: version() })),
  LANGUAGE_CASES.map(({ name }) => name),
);

for (const language of LANGUAGES) {
  describe(language.example, () => {
    let site: LanguageSite;

    beforeAll(async () => {
      site = await startLanguageSite(language);
    });

    afterAll(async () => {
      await site[Symbol.asyncDispose]();
    });

    test.each(LANGUAGE_CASES)("$name", ({ name, run }) =>
      matrix.fill(language.example, name, () => run(site)),
    );
  });
}

afterAll(() => matrix.finish());
