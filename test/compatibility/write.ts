import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { asMarkdown, type MatrixResults, RESULTS_FOLDER } from "./matrix.ts";

// `make compatibility`: puts the tables that the tests have left between their marks in docs/compatibility.md.
const FILE = "docs/compatibility.md";

const text = readFileSync(FILE, "utf8").replace(
  /(<!-- table: (\w+) -->\n)[\s\S]*?(<!-- end -->)/g,
  (_, begin: string, name: string, end: string) => {
    const results: MatrixResults = JSON.parse(readFileSync(join(RESULTS_FOLDER, `${name}.json`), "utf8"));
    // A run of some of the tests only leaves gaps.
    if (results.rows.some(({ cells }) => cells.includes("")))
      throw new Error(`the table of ${name} has gaps`);
    return `${begin}${asMarkdown(results)}\n${end}`;
  },
);
writeFileSync(FILE, text);
