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
    dev) words="--port --config --help" ;;
    request) words="--query --method --body --param --socket --config --help" ;;
    *) words="serve check config dev request --help --version" ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  [[ ${#COMPREPLY[@]} -gt 0 || $current == -* ]] || mapfile -t COMPREPLY < <(compgen -f -- "$current")
}
complete -o filenames -F _std_fpm std-fpm
