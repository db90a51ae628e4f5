# Completion of std-fpm for bash.
_std_fpm() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words
  case $previous in
    --config|--body) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
  esac
  case ${COMP_WORDS[1]} in
    serve) words="--config --help" ;;
    check) words="--config --help" ;;
    config) words="--effective --config --help" ;;
    status) words="--json --full --watch --ready --socket --config --help" ;;
    reload) words="--socket --config --help" ;;
    stop) words="--socket --config --help" ;;
    upgrade) words="--socket --config --help" ;;
    restart) words="--socket --config --help" ;;
    drain) words="--socket --config --help" ;;
    kill) words="--socket --config --help" ;;
    reopen-logs) words="--socket --config --help" ;;
    dev) words="--port --config --help" ;;
    request) words="--query --method --body --param --socket --fail --config --help" ;;
    version) words="--help" ;;
    *) words="serve check config status reload stop upgrade restart drain kill reopen-logs dev request version --help --version" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  [[ ${#COMPREPLY[@]} -gt 0 || $current == -* ]] || mapfile -t COMPREPLY < <(compgen -f -- "$current")
}
complete -o filenames -F _std_fpm std-fpm
