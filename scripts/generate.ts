// Writes the files that are made from the source: the tables of docs/configuration.md, manual pages, completions.
import { join } from "node:path";
import { generatedFiles } from "./generated.ts";

const at = (file: string) => join(import.meta.dir, "..", file);

for (const [file, text] of await generatedFiles((file) => Bun.file(at(file)).text())) {
  await Bun.write(at(file), text);
}
