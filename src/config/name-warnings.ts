import { endingsToChoose, isDefaultList } from "./match-warnings.ts";
import { phpOf } from "./program-path.ts";
import type { AppTable } from "./schema.ts";

/** What people write who forget the dot. */
const BARE_ENDING = /^(?:f?cgi|fpl|php[0-9]?|phtml|pl|py|rb|lua|sh)$/i;

/**
 * What is probably not meant of the names that run. `table` is what a file says, `merged` with everything below it; `name` is that of the table.
 */
export function nameWarnings(table: Partial<AppTable>, merged: AppTable, name: string): string[] {
  const warnings = (table.extensions ?? []).flatMap((each, index) => {
    const why = whyNotMeant(each);
    return why === undefined ? [] : [`${name}.extensions[${index}]: ${JSON.stringify(each)} ${why}`];
  });
  const [interpreter] = merged.command;
  if (interpreter === undefined) return warnings;
  if (table.extensions?.includes("") || (table.command && merged.extensions.includes("")))
    warnings.push(
      `${name}.extensions: with "" ${interpreter} gets every file there, and may show what it holds`,
    );
  if (name === "app" && isDefaultList(merged.extensions) && !merged.any_path)
    warnings.push(`${name}.command: ${endingsToChoose(interpreter)}`);
  const php = merged.any_path && (table.any_path || table.command) && phpWithoutBounds(table, merged.command);
  if (php)
    warnings.push(
      `${name}.any_path: ${php} runs or shows every file that it is asked for, and of "/up/photo.jpg/x.php" the photo: match names that end with ".php", and give it "-d", "cgi.fix_pathinfo=0"`,
    );
  return warnings;
}

/** The PHP of a command, if any, that may be told of a file that is none of its scripts: nobody looks at the file before. */
function phpWithoutBounds(table: Partial<AppTable> & { match?: string }, command: readonly string[]) {
  const isBounded = /\.ph(?:p\d?|tml)$/.test(table.match ?? "") && command.includes("cgi.fix_pathinfo=0");
  return isBounded ? undefined : phpOf(command);
}

function whyNotMeant(extension: string): string | undefined {
  if (/[*?]/.test(extension)) return 'is taken as it is written; for any name write ""';
  return BARE_ENDING.test(extension)
    ? `is the whole name of a file; the ending is ".${extension}"`
    : undefined;
}
