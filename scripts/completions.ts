import type { ArgsDef } from "citty";
import { COMMANDS } from "../src/cli/cli.ts";

interface Completed {
  readonly name: string;
  readonly description: string;
  /** Flags, with what they mean; `file` when a path follows. */
  readonly flags: readonly { readonly flag: string; readonly description: string; readonly file: boolean }[];
}

async function completed(): Promise<Completed[]> {
  return await Promise.all(
    Object.entries(COMMANDS).map(async ([name, { description, load }]) => {
      const args = Object.entries(((await load()).args ?? {}) as ArgsDef);
      const flags = args
        .filter(([, { type }]) => type !== "positional")
        .map(([flag, arg]) => ({
          flag: `--${flag}`,
          description: arg.description ?? "",
          file: (arg as { valueHint?: string }).valueHint === "FILE",
        }));
      return { name, description, flags };
    }),
  );
}

/** For bash-completion(7). */
export async function bashCompletion(): Promise<string> {
  const commands = await completed();
  const cases = commands.map(
    ({ name, flags }) => `    ${name}) words="${[...flags.map(({ flag }) => flag), "--help"].join(" ")}" ;;`,
  );
  return `# Completion of std-fpm for bash.
_std_fpm() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words
  case $previous in
    --config|--body) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
  esac
  case \${COMP_WORDS[1]} in
${cases.join("\n")}
    *) words="${commands.map(({ name }) => name).join(" ")} --help --version" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  [[ \${#COMPREPLY[@]} -gt 0 || $current == -* ]] || mapfile -t COMPREPLY < <(compgen -f -- "$current")
}
complete -o filenames -F _std_fpm std-fpm
`;
}

/** For zsh's compsys (zshcompsys(1)). */
export async function zshCompletion(): Promise<string> {
  const commands = await completed();
  const list = commands.map(({ name, description }) => `    '${name}:${quoted(description)}'`);
  const cases = commands.map(({ name, flags }) => {
    const options = flags.map(
      ({ flag, description, file }) =>
        `'${flag}=[${quoted(description)}]${file ? ":file:_files" : ":value:"}'`,
    );
    return `    ${name}) _arguments ${[...options, "'*:file:_files'"].join(" ")} ;;`;
  });
  return `#compdef std-fpm
# Completion of std-fpm for zsh.
_std_fpm() {
  local -a commands=(
${list.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case $words[2] in
${cases.join("\n")}
  esac
}
_std_fpm "$@"
`;
}

/** For fish. */
export async function fishCompletion(): Promise<string> {
  const commands = await completed();
  const lines = ["# Completion of std-fpm for fish.", "complete -c std-fpm -f"];
  for (const { name, description, flags } of commands) {
    lines.push(`complete -c std-fpm -n __fish_use_subcommand -a ${name} -d '${quoted(description)}'`);
    for (const { flag, description: about, file } of flags) {
      const long = `-l ${flag.slice(2)}${file ? " -rF" : ""}`;
      lines.push(
        `complete -c std-fpm -n '__fish_seen_subcommand_from ${name}' ${long} -d '${quoted(about)}'`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}

/** Inside single quotes; square brackets and colons would end a description of zsh. */
function quoted(text: string): string {
  return text.replaceAll("'", "").replace(/[[\]:]/g, " ");
}
