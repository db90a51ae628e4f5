import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where a run of the tests leaves its tables, for docs/compatibility.md. */
export const RESULTS_FOLDER = "dist/compatibility";

/** A table of compatibility: what was tried, with whom, and what came of it. */
export interface MatrixResults {
  readonly columns: readonly MatrixColumn[];
  readonly rows: readonly { readonly name: string; readonly cells: readonly string[] }[];
}

/** Who was tested. */
export interface MatrixColumn {
  /** The file of examples/, the column's name. */
  readonly example: string;
  /** The software and its version. */
  readonly version: string;
}

const WORKS = "✓";
const FAILS = "✗";

/** Collects what the tests of one table find out. */
export class Matrix {
  readonly #name: string;
  readonly #columns: readonly MatrixColumn[];
  readonly #rows: readonly string[];
  readonly #cells = new Map<string, string>();

  constructor(name: string, columns: readonly MatrixColumn[], rows: readonly string[]) {
    this.#name = name;
    this.#columns = columns;
    this.#rows = rows;
  }

  /** Runs a case; a text it gives is what its cell shows. */
  async fill(example: string, row: string, run: () => Promise<unknown>): Promise<void> {
    this.#cells.set(`${example}/${row}`, FAILS);
    const shown = await run();
    this.#cells.set(`${example}/${row}`, typeof shown === "string" ? shown : WORKS);
  }

  /** Prints the table and leaves it in RESULTS_FOLDER; cells whose test did not run are empty. */
  finish(): void {
    const rows = this.#rows.map((name) => ({
      name,
      cells: this.#columns.map(({ example }) => this.#cells.get(`${example}/${name}`) ?? ""),
    }));
    const results: MatrixResults = { columns: this.#columns, rows };
    mkdirSync(RESULTS_FOLDER, { recursive: true });
    writeFileSync(join(RESULTS_FOLDER, `${this.#name}.json`), JSON.stringify(results));
    process.stdout.write(`\n${asText(results)}\n`);
  }
}

/** The table for docs/compatibility.md; the names of its columns are links into examples/. */
export function asMarkdown({ columns, rows }: MatrixResults): string {
  const heads = columns.map(({ example, version }) => {
    return `[${example.split("/").at(-1)}](../examples/${example})<br>${version}`;
  });
  const lines = [
    ["", ...heads],
    ["---", ...heads.map(() => ":-:")],
    ...rows.map(({ name, cells }) => [name, ...cells]),
  ];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function asText({ columns, rows }: MatrixResults): string {
  const lines = [
    ["", ...columns.map(({ example }) => example.split("/").at(-1) ?? "")],
    ["", ...columns.map(({ version }) => version)],
    ...rows.map(({ name, cells }) => [name, ...cells]),
  ];
  const widths = lines[0]?.map((_, at) => Math.max(...lines.map((cells) => cells[at]?.length ?? 0))) ?? [];
  return lines
    .map((cells) =>
      cells
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
