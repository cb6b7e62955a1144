# shellcheck shell=bash
# A streaming replica of a Postgres that ops/ started: a copy by pg_basebackup that follows it. It is
# the process `postgres` of its folder, so that whatever ends a killed run's servers ends it, too.

# The URL of the primary with the role postgres, which may copy it and has the same password.
replica_source() { # DATABASE_URL
  printf 'postgres://postgres:%s' "${1#postgres://*:}"
}

replica_create() { # RUN HOME DATABASE_URL
  postgres_as rm -rf "$2/data.new"
  # --write-recovery-conf makes the copy a replica of the server that it comes from.
  postgres_as "$POSTGRES_BIN/pg_basebackup" --pgdata="$2/data.new" --dbname="$(replica_source "$3")" \
    --checkpoint=fast --wal-method=stream --write-recovery-conf --no-sync >>"$1/logs/replica.log" 2>&1
  postgres_as mv "$2/data.new" "$2/data"
}

replica_start() { # RUN DATABASE_URL
  local run=$1 home command
  if ! process_runs "$run" postgres; then
    home="$(postgres_home "$run")"
    # setpriv keeps the working directory, and postgres must be able to read it.
    cd /
    if [[ ! -d $home/data ]]; then replica_create "$run" "$home" "$2"; fi
    postgres_await_end "$home"
    port_for "$run" postgres >/dev/null
    # A replica needs at least the connections of its primary.
    command=("$POSTGRES_BIN/postgres" -D "$home/data" -c listen_addresses=127.0.0.1
      -c port="$(port_of "$run" postgres)" -c unix_socket_directories= -c max_connections=200
      -c shared_buffers=64MB -c hot_standby=on -c fsync=off -c timezone=UTC)
    if ((EUID == 0)); then
      command=(setpriv --reuid=postgres --regid=postgres --init-groups "${command[@]}")
    fi
    process_start "$run" postgres "${command[@]}"
  fi
  process_await "$run" postgres 120 postgres_ready "$run"
}

replica_url() { # RUN DATABASE_URL
  local place=${2##*@}
  printf '%s@127.0.0.1:%s/%s' "${2%@*}" "$(port_of "$1" postgres)" "${place#*/}"
}
