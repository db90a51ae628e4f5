import type { ArgsDef } from "citty";
import { COMMANDS } from "../src/cli/cli.ts";

interface Completed {
  readonly name: string;
  readonly description: string;
  /** Flags, with what they mean. */
  readonly flags: readonly Flag[];
  /** What stands behind it beside flags. */
  readonly positional: "nothing" | "program" | "pid" | "file" | "command";
}

interface Flag {
  readonly flag: string;
  readonly description: string;
  /** What follows it: nothing, a path, or something that nobody can guess. */
  readonly value: "none" | "file" | "any";
}

/** Values that are paths. */
const FILE_HINTS: readonly string[] = ["FILE", "S"];
const POSITIONAL: Readonly<Record<string, Completed["positional"]>> = {
  program: "program",
  pid: "pid",
  script: "file",
  dir: "file",
};

async function completed(): Promise<Completed[]> {
  const commands = await Promise.all(
    Object.entries(COMMANDS).map(async ([name, { description, load }]): Promise<Completed> => {
      const args = Object.entries(((await load()).args ?? {}) as ArgsDef);
      const [positional] = args.filter(([, { type }]) => type === "positional");
      const flags = args
        .filter(([, { type }]) => type !== "positional")
        .map(([flag, arg]): Flag => {
          const { valueHint = "" } = arg as { valueHint?: string };
          const value = arg.type === "boolean" ? "none" : FILE_HINTS.includes(valueHint) ? "file" : "any";
          return { flag: `--${flag}`, description: arg.description ?? "", value };
        });
      return { name, description, flags, positional: POSITIONAL[positional?.[0] ?? ""] ?? "nothing" };
    }),
  );
  return [...commands, { name: "help", description: "Explain a command", flags: [], positional: "command" }];
}

/** For bash-completion(7). */
export async function bashCompletion(): Promise<string> {
  const commands = await completed();
  const cases = commands.map(({ name, flags, positional }) => {
    const words = [...flags.map(({ flag }) => flag), "--help"].join(" ");
    return `    ${name}) flags="${words}" kind=${positional} ;;`;
  });
  const valued = (value: Flag["value"]) =>
    [
      ...new Set(
        commands.flatMap(({ flags }) => flags.filter((each) => each.value === value).map(({ flag }) => flag)),
      ),
    ].join("|");
  return `# Completion of std-fpm for bash.
_std_fpm() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command= flags= kind=commands at word line
  local -a asked=()
  # "=" is a word of its own.
  if [[ $current == = ]]; then current=; elif [[ $previous == = ]]; then previous=\${COMP_WORDS[COMP_CWORD-2]}; fi
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    case $word in
      -c|${valued("file")}|${valued("any")})
        [[ \${COMP_WORDS[at+1]} != = ]] || at=$((at + 1))
        at=$((at + 1))
        [[ $word != -c && $word != --config && $word != --socket ]] || ((at >= COMP_CWORD)) || asked+=("$word" "\${COMP_WORDS[at]/#\\~/$HOME}") ;;
      -*|=) ;;
      *) command=\${command:-$word} ;;
    esac
  done
  case $command in
    '') ;;
${cases.join("\n")}
    *) kind=nothing ;;
  esac
  COMPREPLY=()
  case $previous in
    -c|${valued("file")}) kind=file flags= ;;
    ${valued("any")}) return ;;
  esac
  if [[ $current == -* ]]; then
    [[ -n $command ]] || flags="--config --help --version"
    mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$current")
    return
  fi
  case $kind in
    file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    commands|command) mapfile -t COMPREPLY < <(compgen -W "${commands.map(({ name }) => name).join(" ")}" -- "$current") ;;
    program|pid)
      while IFS= read -r line; do
        line=\${line%%$'\\t'*}
        [[ $line != "$current"* ]] || COMPREPLY+=("$(printf %q "$line")")
      done < <(std-fpm status "--\${kind}s" "\${asked[@]}" 2>/dev/null) ;;
  esac
}
complete -F _std_fpm std-fpm
`;
}

/** For zsh's compsys (zshcompsys(1)). */
export async function zshCompletion(): Promise<string> {
  const commands = await completed();
  const list = commands.map(({ name, description }) => `    '${name}:${quoted(description)}'`);
  const behind = {
    nothing: "'*: : '",
    program: "'*:program:_std_fpm_programs'",
    pid: "'*:pid:_std_fpm_pids'",
    file: "'*:file:_files'",
    command: "'*:command:_std_fpm_commands'",
  };
  const cases = commands.map(({ name, flags, positional }) => {
    const options = flags.map(({ flag, description, value }) => {
      const what = { none: "", file: ":file:_files", any: ":value:" }[value];
      return `'${flag}${value === "none" ? "" : "="}[${quoted(description)}]${what}'`;
    });
    return `    ${name}) _arguments ${[...options, behind[positional]].join(" ").trim()} ;;`;
  });
  return `#compdef std-fpm
# Completion of std-fpm for zsh.
_std_fpm_commands() {
  local -a commands=(
${list.join("\n")}
  )
  _describe command commands
}
_std_fpm_asked() {
  local -a asked
  local at
  for ((at = 1; at < $#words; at++)); do
    [[ $words[at] == (--config|-c|--socket) ]] && asked+=($words[at] "\${(Q)words[at+1]}")
    [[ $words[at] == (--config|--socket)=* ]] && asked+=("\${(Q)words[at]}")
  done
  std-fpm status $1 $asked 2>/dev/null
}
_std_fpm_programs() {
  local -a programs=("\${(@f)$(_std_fpm_asked --programs)}")
  compadd -a programs
}
_std_fpm_pids() {
  local -a pids=("\${(@f)$(_std_fpm_asked --pids)}")
  pids=("\${(@)pids/$'\\t'/:}")
  _describe pid pids
}
_std_fpm() {
  local command=
  local at
  for ((at = 2; at < CURRENT; at++)); do
    case $words[at] in
      --config|-c|--socket) ((at++)) ;;
      -*) ;;
      *) command=$words[at]; break ;;
    esac
  done
  case $command in
    '') _arguments '--config=[Configuration file]:file:_files' '--help[Print the commands]' '--version[Print the version]' '*:command:_std_fpm_commands' ;;
${cases.join("\n")}
  esac
}
_std_fpm "$@"
`;
}

/** For fish. */
export async function fishCompletion(): Promise<string> {
  const commands = await completed();
  const lines = [
    "# Completion of std-fpm for fish.",
    `function __std_fpm_asked
  set -l words (commandline -opc)
  set -l asked
  for at in (seq (count $words))
    switch $words[$at]
      case --config -c --socket
        set -q words[(math $at + 1)]; and set -a asked $words[$at] $words[(math $at + 1)]
      case '--config=*' '--socket=*'
        set -a asked $words[$at]
    end
  end
  std-fpm status $argv $asked 2>/dev/null
end`,
    "complete -c std-fpm -f",
    "complete -c std-fpm -s c -l config -rF -d 'Configuration file'",
  ];
  const sources = {
    nothing: "",
    program: "(__std_fpm_asked --programs)",
    pid: "(__std_fpm_asked --pids)",
    file: "",
    command: commands.map(({ name }) => name).join(" "),
  };
  for (const { name, description, flags, positional } of commands) {
    lines.push(`complete -c std-fpm -n __fish_use_subcommand -a ${name} -d '${quoted(description)}'`);
    const seen = `complete -c std-fpm -n '__fish_seen_subcommand_from ${name}'`;
    if (sources[positional] !== "") lines.push(`${seen} -a '${sources[positional]}'`);
    else if (positional === "file") lines.push(`${seen} -F`);
    for (const { flag, description: about, value } of flags) {
      const rest = { none: "", file: " -rF", any: " -x" }[value];
      lines.push(`${seen} -l ${flag.slice(2)}${rest} -d '${quoted(about)}'`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** Inside single quotes; square brackets and colons would end a description of zsh. */
function quoted(text: string): string {
  return text.replaceAll("'", "").replace(/[[\]:]/g, " ");
}
