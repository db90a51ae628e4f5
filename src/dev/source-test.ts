import type { Tables } from "../config/tables.ts";

/** Scripts are programs somewhere else if not here: their source may hold passwords and is never shown. */
const SCRIPT_EXTENSIONS = [
  ...[".fcgi", ".fpl", ".cgi", ".psgi", ".wsgi"],
  ...[".php", ".phps", ".pht", ".phtml", ".phar", ".inc"],
  ...[".pl", ".pm", ".py", ".pyc", ".pyo", ".pyw", ".rb", ".rbw", ".ru", ".erb"],
  ...[".lua", ".tcl", ".sh", ".bash", ".ksh", ".zsh", ".awk", ".asp", ".aspx", ".jsp"],
];
/** What follows an ending in `a.fcgi`, `x.php5`, `a.fcgi~`, `a.fcgi.bak`, but not in `a.fcgist`. */
const AFTER_EXTENSION = /^[0-9]*(?:[^a-z0-9]|$)/;

/** Tells whether a path may be that of a program's source, in any case: by its name, or because `[[apps]]` names it as it is. */
export function sourceTest({ app, apps }: Tables, named: readonly string[]): (path: string) => boolean {
  const configured = [app, ...apps].flatMap(({ extensions = [] }) => extensions);
  const matched = apps.flatMap(({ match }) => extensionsIn(match));
  const extensions = [
    ...new Set([...configured, ...matched, ...SCRIPT_EXTENSIONS].map((each) => each.toLowerCase())),
  ];
  return (path) => {
    const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
    return named.includes(path) || extensions.some((extension) => hasWithin(name, extension));
  };
}

/** The endings of `/srv/**\/*.php` and `/srv/*.{php,inc}`; of `/srv/**` none. */
function extensionsIn(glob: string): string[] {
  const [, single, several = ""] = /\*\.(?:([A-Za-z0-9_-]+)|\{([A-Za-z0-9_,-]+)\})$/.exec(glob) ?? [];
  const found = single === undefined ? several.split(",") : [single];
  return found.filter((each) => each !== "").map((each) => `.${each}`);
}

function hasWithin(name: string, extension: string): boolean {
  const [, ...rests] = name.split(extension);
  return rests.some((rest) => AFTER_EXTENSION.test(rest));
}
