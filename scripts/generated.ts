import { annotationsOf } from "../src/config/keys.ts";
import { bashCompletion, fishCompletion, zshCompletion } from "./completions.ts";
import { grafanaDashboard } from "./grafana.ts";
import { configurationPage, programPage, TABLES } from "./manual.ts";
import { statusPage } from "./status-page.ts";

/** Every file that is made from the source, with what it must hold. `read` gives what it holds now. */
export async function generatedFiles(read: (file: string) => Promise<string>): Promise<Map<string, string>> {
  return new Map([
    ["docs/configuration.md", withRows(await read("docs/configuration.md"))],
    ["docs/status.md", statusPage()],
    ["examples/monitoring/grafana.json", grafanaDashboard()],
    ["man/std-fpm.8", await programPage()],
    ["man/std-fpm.toml.5", configurationPage()],
    ["completions/std-fpm.bash", await bashCompletion()],
    ["completions/_std-fpm", await zshCompletion()],
    ["completions/std-fpm.fish", await fishCompletion()],
  ]);
}

/** The page with the rows of its tables made anew from the schema. */
function withRows(page: string): string {
  return TABLES.reduce((text, [table, , schema]) => {
    const rows = Object.entries(schema.properties).map(([key, property]) => {
      const { default: fallback, description } = annotationsOf(property);
      return `| \`${key}\` | \`${JSON.stringify(fallback)}\` | ${description} |\n`;
    });
    const rule = "| --- | --- | --- |\n";
    const from = text.indexOf(rule, text.indexOf(`## [${table}]\n`)) + rule.length;
    const to = text.indexOf("\n\n", from - 1) + 1;
    return text.slice(0, from) + rows.join("") + text.slice(to);
  }, page);
}
