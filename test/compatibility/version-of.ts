/** The first version number that a command prints, on stdout or stderr. */
export function versionOf(...argv: [string, ...string[]]): string {
  const child = Bun.spawnSync(argv, { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } });
  const text = `${child.stdout}${child.stderr}`;
  const version = /\d+(\.\d+)+/.exec(text)?.[0];
  if (version === undefined) throw new Error(`${argv.join(" ")} names no version: ${text}`);
  return version;
}
