# Completion of std-fpm for fish.
function __std_fpm_asked
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
end
complete -c std-fpm -f
complete -c std-fpm -s c -l config -rF -d 'Configuration file'
complete -c std-fpm -n __fish_use_subcommand -a serve -d 'Run the daemon in the foreground (the default)'
complete -c std-fpm -n '__fish_seen_subcommand_from serve' -l config -rF -d 'Configuration file instead of /etc/std-fpm/std-fpm.toml'
complete -c std-fpm -n __fish_use_subcommand -a check -d 'Check the configuration (also: std-fpm -t)'
complete -c std-fpm -n '__fish_seen_subcommand_from check' -l config -rF -d 'Configuration file instead of /etc/std-fpm/std-fpm.toml'
complete -c std-fpm -n __fish_use_subcommand -a config -d 'Print the commented default, or the configuration in effect'
complete -c std-fpm -n '__fish_seen_subcommand_from config' -l effective -d 'Print what holds after all files were read, as one file'
complete -c std-fpm -n '__fish_seen_subcommand_from config' -l config -rF -d 'Configuration file instead of /etc/std-fpm/std-fpm.toml'
complete -c std-fpm -n __fish_use_subcommand -a status -d 'Show what the running daemon is at'
complete -c std-fpm -n '__fish_seen_subcommand_from status' -l json -d 'As JSON (docs/status.md)'
complete -c std-fpm -n '__fish_seen_subcommand_from status' -l full -d 'With every process, and the requests at work'
complete -c std-fpm -n '__fish_seen_subcommand_from status' -l watch -d 'Live, once a second; on a terminal with keys to sort, as top'
complete -c std-fpm -n '__fish_seen_subcommand_from status' -l ready -d 'Only whether it takes requests; status 1, with the reason, when not'
complete -c std-fpm -n '__fish_seen_subcommand_from status' -l programs -d 'Only the names of programs that have processes, a line each'
complete -c std-fpm -n '__fish_seen_subcommand_from status' -l pids -d 'Only the processes, a line each: pid, tab, program'
complete -c std-fpm -n '__fish_seen_subcommand_from status' -l socket -rF -d 'Address of `[admin] listen` instead of the configured one'
complete -c std-fpm -n '__fish_seen_subcommand_from status' -l config -rF -d 'Configuration file instead of /etc/std-fpm/std-fpm.toml'
complete -c std-fpm -n __fish_use_subcommand -a reload -d 'Read the configuration again'
complete -c std-fpm -n '__fish_seen_subcommand_from reload' -l socket -rF -d 'Address of `[admin] listen` instead of the configured one'
complete -c std-fpm -n '__fish_seen_subcommand_from reload' -l config -rF -d 'Configuration file instead of /etc/std-fpm/std-fpm.toml'
complete -c std-fpm -n __fish_use_subcommand -a stop -d 'Finish the requests in flight, then end'
complete -c std-fpm -n '__fish_seen_subcommand_from stop' -l socket -rF -d 'Address of `[admin] listen` instead of the configured one'
complete -c std-fpm -n '__fish_seen_subcommand_from stop' -l config -rF -d 'Configuration file instead of /etc/std-fpm/std-fpm.toml'
complete -c std-fpm -n __fish_use_subcommand -a upgrade -d 'Hand over to a new executable'
complete -c std-fpm -n '__fish_seen_subcommand_from upgrade' -l socket -rF -d 'Address of `[admin] listen` instead of the configured one'
complete -c std-fpm -n '__fish_seen_subcommand_from upgrade' -l config -rF -d 'Configuration file instead of /etc/std-fpm/std-fpm.toml'
complete -c std-fpm -n __fish_use_subcommand -a restart -d 'Replace a program\'s processes'
complete -c std-fpm -n '__fish_seen_subcommand_from restart' -a '(__std_fpm_asked --programs)'
complete -c std-fpm -n '__fish_seen_subcommand_from restart' -l socket -rF -d 'Address of `[admin] listen` instead of the configured one'
complete -c std-fpm -n '__fish_seen_subcommand_from restart' -l config -rF -d 'Configuration file instead of /etc/std-fpm/std-fpm.toml'
complete -c std-fpm -n __fish_use_subcommand -a drain -d 'End a program\'s processes when they are free'
complete -c std-fpm -n '__fish_seen_subcommand_from drain' -a '(__std_fpm_asked --programs)'
complete -c std-fpm -n '__fish_seen_subcommand_from drain' -l socket -rF -d 'Address of `[admin] listen` instead of the configured one'
complete -c std-fpm -n '__fish_seen_subcommand_from drain' -l config -rF -d 'Configuration file instead of /etc/std-fpm/std-fpm.toml'
complete -c std-fpm -n __fish_use_subcommand -a kill -d 'Kill one process of a program'
complete -c std-fpm -n '__fish_seen_subcommand_from kill' -a '(__std_fpm_asked --pids)'
complete -c std-fpm -n '__fish_seen_subcommand_from kill' -l socket -rF -d 'Address of `[admin] listen` instead of the configured one'
complete -c std-fpm -n '__fish_seen_subcommand_from kill' -l config -rF -d 'Configuration file instead of /etc/std-fpm/std-fpm.toml'
complete -c std-fpm -n __fish_use_subcommand -a reopen-logs -d 'Open the files of the logs anew'
complete -c std-fpm -n '__fish_seen_subcommand_from reopen-logs' -l socket -rF -d 'Address of `[admin] listen` instead of the configured one'
complete -c std-fpm -n '__fish_seen_subcommand_from reopen-logs' -l config -rF -d 'Configuration file instead of /etc/std-fpm/std-fpm.toml'
complete -c std-fpm -n __fish_use_subcommand -a dev -d 'Try programs out with a browser, without a web server'
complete -c std-fpm -n '__fish_seen_subcommand_from dev' -F
complete -c std-fpm -n '__fish_seen_subcommand_from dev' -l port -x -d 'Port of the HTTP server; 0 takes a free one'
complete -c std-fpm -n '__fish_seen_subcommand_from dev' -l config -rF -d 'Configuration file instead of /etc/std-fpm/std-fpm.toml'
complete -c std-fpm -n __fish_use_subcommand -a request -d 'Send one FastCGI request and print the answer'
complete -c std-fpm -n '__fish_seen_subcommand_from request' -F
complete -c std-fpm -n '__fish_seen_subcommand_from request' -l query -x -d 'Query string, without the ?'
complete -c std-fpm -n '__fish_seen_subcommand_from request' -l method -x -d 'Method; GET, or POST with a body'
complete -c std-fpm -n '__fish_seen_subcommand_from request' -l body -rF -d 'File, pipe or device to send as the body; - is standard input'
complete -c std-fpm -n '__fish_seen_subcommand_from request' -l param -x -d 'One more parameter; may be repeated, and wins'
complete -c std-fpm -n '__fish_seen_subcommand_from request' -l socket -rF -d 'Address of the daemon instead of the configured one'
complete -c std-fpm -n '__fish_seen_subcommand_from request' -l fail -d 'End with status 22 where the answer\'s status is above 399'
complete -c std-fpm -n '__fish_seen_subcommand_from request' -l config -rF -d 'Configuration file instead of /etc/std-fpm/std-fpm.toml'
complete -c std-fpm -n __fish_use_subcommand -a version -d 'Print the version (also: std-fpm -v)'
complete -c std-fpm -n __fish_use_subcommand -a help -d 'Explain a command'
complete -c std-fpm -n '__fish_seen_subcommand_from help' -a 'serve check config status reload stop upgrade restart drain kill reopen-logs dev request version help'
