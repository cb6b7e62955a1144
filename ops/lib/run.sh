# shellcheck shell=bash
# The run dir as a whole: made, locked, removed.

run_prepare() { # RUN
  mkdir -p "$1"/{ports,pids,logs,external}
  # Postgres runs as another user when we are root and must be able to walk through.
  chmod u+rwx,go+x "$1"
}

# One ops command at a time may change a stack. Descriptor 9 stays open until the command ends;
# processes.sh closes it in what it starts, or a server would hold the lock for its whole life.
run_lock() { # RUN
  exec 9>"$1/lock"
  if ! flock --nonblock 9; then
    say "another ops command works on $1, waiting for it to end"
    flock --timeout 900 9 || fail "another ops command still works on $1" "look for it with: fuser $1/lock"
  fi
}

# Removes data, ports, logs: everything. The processes must have been stopped.
run_remove() { # RUN
  local run=$1
  if [[ -L $run/postgres ]]; then rm -rf "$(readlink -f "$run/postgres")"; fi
  ports_release "$run"
  rm -rf "$run"
}
