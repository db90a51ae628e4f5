/**
 * A Content-Security-Policy for a page that holds these styles and scripts: nothing else of the kind has an effect, and nothing is
 * loaded but what `more` allows by its directives.
 */
export function contentPolicy(
  styles: readonly string[],
  scripts: readonly string[] = [],
  more: Readonly<Record<string, string>> = {},
): string {
  const directives = {
    "default-src": "'none'",
    "style-src": sources(styles),
    "script-src": sources(scripts),
    ...more,
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
  };
  return Object.entries(directives)
    .map((directive) => directive.join(" "))
    .join("; ");
}

function sources(texts: readonly string[]): string {
  return texts.length === 0 ? "'none'" : texts.map(hash).join(" ");
}

function hash(text: string): string {
  return `'sha256-${new Bun.CryptoHasher("sha256").update(text).digest("base64")}'`;
}
