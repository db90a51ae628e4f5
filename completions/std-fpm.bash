# Completion of std-fpm for bash.
_std_fpm() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command= flags= kind=commands at word line
  local -a asked=()
  # "=" is a word of its own.
  if [[ $current == = ]]; then current=; elif [[ $previous == = ]]; then previous=${COMP_WORDS[COMP_CWORD-2]}; fi
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=${COMP_WORDS[at]}
    case $word in
      -c|--config|--socket|--body|--port|--query|--method|--param)
        [[ ${COMP_WORDS[at+1]} != = ]] || at=$((at + 1))
        at=$((at + 1))
        [[ $word != -c && $word != --config && $word != --socket ]] || ((at >= COMP_CWORD)) || asked+=("$word" "${COMP_WORDS[at]/#\~/$HOME}") ;;
      -*|=) ;;
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
  case $previous in
    -c|--config|--socket|--body) kind=file flags= ;;
    --port|--query|--method|--param) return ;;
  esac
  if [[ $current == -* ]]; then
    [[ -n $command ]] || flags="--config --help --version"
    mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$current")
    return
  fi
  case $kind in
    file) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    commands|command) mapfile -t COMPREPLY < <(compgen -W "serve check config status reload stop upgrade restart drain kill reopen-logs dev request version help" -- "$current") ;;
    program|pid)
      while IFS= read -r line; do
        line=${line%%$'\t'*}
        [[ $line != "$current"* ]] || COMPREPLY+=("$(printf %q "$line")")
      done < <(std-fpm status "--${kind}s" "${asked[@]}" 2>/dev/null) ;;
  esac
}
complete -F _std_fpm std-fpm
