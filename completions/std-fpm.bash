# Completion of std-fpm for bash.
# Reads a line up to the cursor as the shell does, "=" and ":" in words and quotes around them: into words, without their quotes, quote, which is
# still open, and kept, what of the last word stands before that which readline replaces.
_std_fpm_read() {
  local line=$1 at char before= is_word=
  words=('') quote= kept=
  for ((at = 0; at < ${#line}; at++)); do
    char=${line:at:1}
    case $quote$char in
      ' '|$'\t')
        [[ -z $is_word ]] || words+=('')
        is_word= kept=
        continue ;;
      \'|\") quote=$char before=${words[-1]} ;;
      \'\'|\"\") quote= ;;
      \\|\"\\)
        at=$((at + 1)) char=${line:at:1}
        [[ -z $quote || $char == [\$\`\"\\] ]] || char=\\$char
        words[-1]+=$char ;;
      ?) words[-1]+=$char; [[ $COMP_WORDBREAKS != *"$char"* ]] || kept=${words[-1]} ;;
      *) words[-1]+=$char ;;
    esac
    is_word=1
  done
  [[ -z $quote ]] || kept=$before
}
# A name as it is written in place of the last word.
_std_fpm_quoted() {
  local rest=${1#"$kept"} mark=\'
  case $quote in
    '') printf %q "$rest" ;;
    \') printf %s "${rest//$mark/$mark\\$mark$mark}" ;;
    *) sed 's/[\\"$`]/\\&/g' <<<"$rest" ;;
  esac
}
_std_fpm() {
  local -a words=() asked=()
  local quote kept command= flags= kind=commands at word line current previous=
  _std_fpm_read "${COMP_LINE:0:COMP_POINT}"
  current=${words[-1]}
  for ((at = 1; at < ${#words[@]} - 1; at++)); do
    word=${words[at]}
    case $word in
      -c|--config|--socket|--body|--port|--query|--method|--param)
        at=$((at + 1))
        if ((at == ${#words[@]} - 1)); then previous=$word
        elif [[ $word == -c || $word == --config || $word == --socket ]]; then asked+=("$word" "${words[at]/#\~/$HOME}"); fi ;;
      --config=*|--socket=*) asked+=("$word") ;;
      -*) ;;
      *) command=${command:-$word} ;;
    esac
  done
  case $command in
    '') ;;
    serve) flags="--config --help" kind=nothing ;;
    check) flags="--config --help" kind=nothing ;;
    config) flags="--effective --config --help" kind=nothing ;;
    status) flags="--json --full --watch --ready --programs --pids --socket --config --help" kind=nothing ;;
    reload) flags="--socket --config --help" kind=nothing ;;
    stop) flags="--socket --config --help" kind=nothing ;;
    upgrade) flags="--socket --config --help" kind=nothing ;;
    restart) flags="--socket --config --help" kind=program ;;
    drain) flags="--socket --config --help" kind=program ;;
    kill) flags="--socket --config --help" kind=pid ;;
    reopen-logs) flags="--socket --config --help" kind=nothing ;;
    dev) flags="--port --config --help" kind=file ;;
    request) flags="--query --method --body --param --socket --fail --config --help" kind=file ;;
    version) flags="--help" kind=nothing ;;
    help) flags="--help" kind=command ;;
    *) kind=nothing ;;
  esac
  COMPREPLY=()
  [[ $current != --*=* ]] || previous=${current%%=*}
  case $previous in
    -c|--config|--socket|--body) kind=file ;;
    --port|--query|--method|--param) return ;;
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
    commands|command) mapfile -t COMPREPLY < <(compgen -W "serve check config status reload stop upgrade restart drain kill reopen-logs dev request version help" -- "$current") ;;
    program|pid)
      while IFS= read -r line; do
        line=${line%%$'\t'*}
        [[ $line != "$current"* ]] || COMPREPLY+=("$(_std_fpm_quoted "$line")")
      done < <(std-fpm status "--${kind}s" "${asked[@]}" 2>/dev/null) ;;
  esac
}
complete -F _std_fpm std-fpm
