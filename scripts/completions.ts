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
# Reads a line up to the cursor as the shell does, "=" and ":" in words and quotes around them: into words, without their quotes, quote, which is
# still open, and kept, what of the last word stands before that which readline replaces.
_std_fpm_read() {
  local line=$1 at char before= is_word=
  words=('') quote= kept=
  for ((at = 0; at < \${#line}; at++)); do
    char=\${line:at:1}
    case $quote$char in
      ' '|$'\\t')
        [[ -z $is_word ]] || words+=('')
        is_word= kept=
        continue ;;
      \\'|\\") quote=$char before=\${words[-1]} ;;
      \\'\\'|\\"\\") quote= ;;
      \\\\|\\"\\\\)
        at=$((at + 1)) char=\${line:at:1}
        [[ -z $quote || $char == [\\$\\\`\\"\\\\] ]] || char=\\\\$char
        words[-1]+=$char ;;
      ?) words[-1]+=$char; [[ $COMP_WORDBREAKS != *"$char"* ]] || kept=\${words[-1]} ;;
      *) words[-1]+=$char ;;
    esac
    is_word=1
  done
  [[ -z $quote ]] || kept=$before
}
# A name as it is written in place of the last word.
_std_fpm_quoted() {
  local rest=\${1#"$kept"} mark=\\'
  case $quote in
    '') printf %q "$rest" ;;
    \\') printf %s "\${rest//$mark/$mark\\\\$mark$mark}" ;;
    *) sed 's/[\\\\"$\`]/\\\\&/g' <<<"$rest" ;;
  esac
}
_std_fpm() {
  local -a words=() asked=()
  local quote kept command= flags= kind=commands at word line current previous=
  _std_fpm_read "\${COMP_LINE:0:COMP_POINT}"
  current=\${words[-1]}
  for ((at = 1; at < \${#words[@]} - 1; at++)); do
    word=\${words[at]}
    case $word in
      -c|${valued("file")}|${valued("any")})
        at=$((at + 1))
        if ((at == \${#words[@]} - 1)); then previous=$word
        elif [[ $word == -c || $word == --config || $word == --socket ]]; then asked+=("$word" "\${words[at]/#\\~/$HOME}"); fi ;;
      --config=*|--socket=*) asked+=("$word") ;;
      -*) ;;
      *) command=\${command:-$word} ;;
    esac
  done
  case $command in
    '') ;;
${cases.join("\n")}
    *) kind=nothing ;;
  esac
  COMPREPLY=()
  [[ $current != --*=* ]] || previous=\${current%%=*}
  case $previous in
    -c|${valued("file")}) kind=file ;;
    ${valued("any")}) return ;;
    *)
      if [[ $current == -* ]]; then
        [[ -n $command ]] || flags="--config --help --version"
        mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$current")
        return
      fi ;;
  esac
  case $kind in
    # Readline's own completion knows all about the quotes of files.
    file) compopt -o bashdefault -o default ;;
    commands|command) mapfile -t COMPREPLY < <(compgen -W "${commands.map(({ name }) => name).join(" ")}" -- "$current") ;;
    program|pid)
      while IFS= read -r line; do
        line=\${line%%$'\\t'*}
        [[ $line != "$current"* ]] || COMPREPLY+=("$(_std_fpm_quoted "$line")")
      done < <(std-fpm status "--\${kind}s" "\${asked[@]}" 2>/dev/null) ;;
  esac
}
complete -F _std_fpm std-fpm
`;
}

/** For zsh's compsys (zshcompsys(1)). */
export async function zshCompletion(): Promise<string> {
  const commands = await completed();
  const list = commands.map(({ name, description }) => `    '${name}:${inZsh(description)}'`);
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
      return `'${flag}${value === "none" ? "" : "="}[${flagInZsh(description)}]${what}'`;
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
    lines.push(`complete -c std-fpm -n __fish_use_subcommand -a ${name} -d '${inFish(description)}'`);
    const seen = `complete -c std-fpm -n '__fish_seen_subcommand_from ${name}'`;
    if (sources[positional] !== "") lines.push(`${seen} -a '${sources[positional]}'`);
    else if (positional === "file") lines.push(`${seen} -F`);
    for (const { flag, description: about, value } of flags) {
      const rest = { none: "", file: " -rF", any: " -x" }[value];
      lines.push(`${seen} -l ${flag.slice(2)}${rest} -d '${inFish(about)}'`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** A text inside single quotes of zsh. */
function inZsh(text: string): string {
  return text.replaceAll("'", "'\\''");
}

/** A description of a flag for zsh's `_arguments`: square brackets would end it. */
function flagInZsh(text: string): string {
  return inZsh(text.replace(/[[\]:\\]/g, "\\$&"));
}

/** A text inside single quotes of fish. */
function inFish(text: string): string {
  return text.replace(/['\\]/g, "\\$&");
}
