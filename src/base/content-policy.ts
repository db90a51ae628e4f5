/**
 * A Content-Security-Policy for a page that holds these styles and scripts and nothing else of the kind: none runs that was
 * put into it later. With `connects` its scripts may speak to where it came from.
 */
export function contentPolicy(page: {
  readonly styles: readonly string[];
  readonly scripts?: readonly string[];
  readonly connects?: boolean;
}): string {
  const hashes = (texts: readonly string[] = []) =>
    texts.length === 0 ? "'none'" : texts.map(hash).join(" ");
  return [
    "default-src 'none'",
    `style-src ${hashes(page.styles)}`,
    `script-src ${hashes(page.scripts)}`,
    `connect-src ${page.connects ? "'self'" : "'none'"}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

function hash(text: string): string {
  return `'sha256-${new Bun.CryptoHasher("sha256").update(text).digest("base64")}'`;
}
