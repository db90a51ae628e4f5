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

/** What follows the name of a program that has no ending, where it is a file of the site all the same; all else may be a copy of the program. */
const SITE_FILES =
  /^(?:[-_.a-z0-9]*\.(?:html?|css|js|mjs|map|json|png|jpe?g|gif|svg|webp|avif|ico|woff2?|ttf|pdf|mp4|webm)|[a-z].*)$/;

/** Tells whether a path may be that of a program's source, in any case: by its name, or because `[[apps]]` names it as it is. */
export function sourceTest({ app, apps }: Tables, named: readonly string[]): (path: string) => boolean {
  const configured = [app, ...apps].flatMap(({ extensions = [] }) => extensions);
  const matched = apps.flatMap(({ match }) => extensionsIn(match));
  const endings = configured.filter((each) => each.startsWith("."));
  const extensions = [...new Set([...endings, ...matched, ...SCRIPT_EXTENSIONS].map(lowerCase))];
  const names = configured.filter((each) => each !== "" && !each.startsWith(".")).map(lowerCase);
  const paths = named.map(lowerCase);
  return (given) => {
    const path = given.toLowerCase();
    const name = path.slice(path.lastIndexOf("/") + 1);
    return (
      extensions.some((extension) => hasWithin(name, extension)) ||
      names.some((each) => isCopyOf(name, each)) ||
      paths.some((each) => isCopyOf(path, each))
    );
  };
}

function lowerCase(text: string): string {
  return text.toLowerCase();
}

/** `server`, `server~`, `server.bak`, `#server#`, but not `server.png` or `serverless`. */
function isCopyOf(path: string, original: string): boolean {
  const plain = path.replace(/(^|\/)#(?=[^/]*#$)/, "$1");
  return plain.startsWith(original) && !SITE_FILES.test(plain.slice(original.length));
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
