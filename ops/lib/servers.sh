# shellcheck shell=bash
# Kafka, Postgres and Redis together: shared by ops/up, ops/test and ops/servers.

SERVERS=(kafka postgres redis)

# Prints the variable that names an external server.
server_variable() {
  case $1 in
    kafka) echo KAFKA_BROKERS ;;
    postgres) echo DATABASE_URL ;;
    redis) echo REDIS_URL ;;
  esac
}

# Checks whether the environment names a server other than the stack's own (which it names after
# `eval "$(ops/env)"`).
server_is_given() { # RUN SERVER
  local variable
  variable="$(server_variable "$2")"
  [[ -n ${!variable:-} ]] || return 1
  [[ ! -s $1/ports/$2 || "$("$2_url" "$1")" != "${!variable}" ]]
}

# Records which servers are external, for later commands.
servers_note_external() { # RUN
  local server variable
  for server in "${SERVERS[@]}"; do
    variable="$(server_variable "$server")"
    if server_is_given "$1" "$server"; then
      (umask 077 && printf '%s' "${!variable}" >"$1/external/$server")
    else
      rm -f "$1/external/$server"
    fi
  done
}

server_is_external() { [[ -s $1/external/$2 ]]; }

server_url() { # RUN SERVER
  if server_is_external "$1" "$2"; then
    cat "$1/external/$2"
  else
    "$2_url" "$1"
  fi
}

# Prints the servers that this stack must run itself.
servers_own() { # RUN
  local server
  for server in "${SERVERS[@]}"; do
    server_is_external "$1" "$server" || echo "$server"
  done
}

# Starts the servers that do not run and returns when all are ready. In parallel, since most of the
# time is waiting.
servers_start() { # RUN
  local run=$1 server failed=0
  local -A pids=()
  for server in $(servers_own "$run"); do
    (set -e && "${server}_start" "$run") &
    pids[$server]=$!
  done
  for server in "${!pids[@]}"; do
    wait "${pids[$server]}" || {
      echo "$server did not start; its log is $run/logs/$server.log"
      failed=1
    }
  done
  return "$failed"
}

servers_stop() { # RUN
  local run=$1 server pid stopping=()
  for server in "${SERVERS[@]}"; do
    "${server}_stop" "$run" &
    stopping+=("$!")
  done
  for pid in "${stopping[@]}"; do wait "$pid" || true; done
}

servers_env() { # RUN
  local server
  for server in "${SERVERS[@]}"; do
    printf 'export %s=%q\n' "$(server_variable "$server")" "$(server_url "$1" "$server")"
  done
}

servers_export() { # RUN
  local server
  for server in "${SERVERS[@]}"; do
    export "$(server_variable "$server")=$(server_url "$1" "$server")"
  done
}

# For `step`: the hint shown if it fails.
SERVERS_HINT="read the log named above. No network for the download, a full disk and too little memory are
            the usual reasons. Running the same command again continues where this one stopped."
