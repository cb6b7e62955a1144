# shellcheck shell=bash
# PostgreSQL 15 with its own data folder, over TCP on loopback only: a Unix socket's path would have
# to be short.

# Postgres refuses to run as root; then it runs as the user that its package created.
postgres_as() {
  if ((EUID == 0)); then
    setpriv --reuid=postgres --regid=postgres --init-groups "$@"
  else
    "$@"
  fi
}

# Creates the data folder. As root, the folder belongs to the user postgres, who must be able to
# reach it. A closed home directory prevents that, and ops/ must not open it; then the folder is
# created elsewhere and a link points to it.
postgres_home() { # RUN
  local home=$1/postgres
  if [[ ! -e $home ]]; then
    mkdir -p "$home"
    if ((EUID == 0)); then
      chown postgres:postgres "$home"
      if ! (cd / && postgres_as test -w "$home"); then
        rmdir "$home"
        ln -s "$(mktemp -d /var/lib/postgresql/lfg.XXXXXX)" "$home"
        chown postgres:postgres "$(readlink -f "$home")"
      fi
    fi
  fi
  readlink -f "$home"
}

# Creates one random password for both roles of a stack, readable only by its owner.
postgres_password() { # RUN
  local file=$1/postgres.password
  if [[ ! -s $file ]]; then
    (umask 077 && head -c 16 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$file")
  fi
  cat "$file"
}

postgres_initialise() { # RUN HOME
  # Build in a temporary folder and then move: an interrupted initdb must not look like a finished
  # one.
  postgres_as rm -rf "$2/data.new"
  # A copy that the user postgres can read.
  # shellcheck disable=SC2016 # $1 is the inner shell's.
  postgres_password "$1" | postgres_as sh -c 'umask 077 && cat >"$1"' sh "$2/password"
  postgres_as "$POSTGRES_BIN/initdb" --pgdata="$2/data.new" \
    --username=postgres --pwfile="$2/password" --auth=scram-sha-256 \
    --encoding=UTF8 --locale=C.UTF-8 --no-sync >>"$1/logs/postgres.log"
  postgres_as rm "$2/password"
  postgres_as mv "$2/data.new" "$2/data"
}

# After a kill the dead server may stay in the process table as a zombie for a moment; a new server
# would consider it alive and refuse to start.
postgres_await_end() { # HOME
  local pid deadline=$((SECONDS + 15))
  pid="$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)" || return 0
  while [[ "$(cat "/proc/$pid/comm" 2>/dev/null)" == postgres ]] && ((SECONDS < deadline)); do
    sleep 0.1
  done
}

postgres_start() { # RUN
  local run=$1 home command
  if ! process_runs "$run" postgres; then
    home="$(postgres_home "$run")"
    # setpriv keeps the working directory, and postgres must be able to read it.
    cd /
    if [[ ! -d $home/data ]]; then postgres_initialise "$run" "$home"; fi
    postgres_await_end "$home"
    port_for "$run" postgres >/dev/null
    command=("$POSTGRES_BIN/postgres" -D "$home/data"
      -c listen_addresses=127.0.0.1
      -c port="$(port_of "$run" postgres)"
      -c unix_socket_directories=
      -c max_connections=200
      -c shared_buffers=256MB
      # A commit is on disk when it is acknowledged, here as in production.
      -c fsync=on
      -c max_wal_size=2GB
      -c timezone=UTC
      -c log_timezone=UTC
      -c "log_line_prefix=%m [%p] %q%u@%d ")
    if ((EUID == 0)); then
      command=(setpriv --reuid=postgres --regid=postgres --init-groups "${command[@]}")
    fi
    process_start "$run" postgres "${command[@]}"
  fi
  process_await "$run" postgres 120 postgres_ready "$run"
  postgres_roles "$run"
}

postgres_ready() { # RUN
  "$POSTGRES_BIN/pg_isready" --quiet --timeout=3 --username=postgres --dbname=postgres \
    --host=127.0.0.1 --port="$(port_of "$1" postgres)"
}

# Creates role and database `lfg`. The role may create databases, so that each test can have its
# own.
postgres_roles() { # RUN
  local password
  password="$(postgres_password "$1")"
  PGPASSWORD="$password" "$POSTGRES_BIN/psql" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
    --host=127.0.0.1 --port="$(port_of "$1" postgres)" --username=postgres --dbname=postgres <<SQL
SELECT 'CREATE ROLE lfg LOGIN CREATEDB PASSWORD ''$password'''
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lfg') \gexec
SELECT 'CREATE DATABASE lfg OWNER lfg'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'lfg') \gexec
SQL
}

# INT is the fast shutdown: it ends open sessions. TERM would wait for them.
postgres_stop() { process_stop "$1" postgres INT 60; }

postgres_url() {
  printf 'postgres://lfg:%s@127.0.0.1:%s/lfg' "$(postgres_password "$1")" "$(port_of "$1" postgres)"
}
