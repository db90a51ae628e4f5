/** Text for a manual page (man(7)): nothing in it is taken for a command. */
export function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^([.'])/gm, "\\&$1");
}

export function bold(text: string): string {
  return `\\fB${roff(text)}\\fR`;
}

export function italic(text: string): string {
  return `\\fI${roff(text)}\\fR`;
}

/** Text in which `these marks` make words bold. */
export function marked(text: string): string {
  const parts = text.split("`");
  return parts.map((part, index) => (index % 2 === 1 ? bold(part) : roff(part))).join("");
}

/** A term and what it means. */
export function item(term: string, text: string): string {
  return `.TP\n${term}\n${text}\n`;
}

/** The heading of a page; `date` is that of the version. */
export function title(name: string, section: number, version: string, date: string): string {
  return `.TH ${name.toUpperCase()} ${section} ${date} "std\\-fpm ${version}" "std\\-fpm"\n`;
}
