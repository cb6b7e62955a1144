# shellcheck shell=bash
# Creates, locks and removes a run dir.

run_prepare() { # RUN
  mkdir -p "$1"/{ports,pids,logs,external}
  # As root, Postgres runs as another user, who must be able to traverse the folder.
  chmod u+rwx,go+x "$1"
}

# Only one ops command at a time may change a stack. Descriptor 9 stays open until the command ends;
# processes.sh closes it in the processes that it starts, or a server would hold the lock for its
# whole life.
run_lock() { # RUN
  exec 9>"$1/lock"
  if ! flock --nonblock 9; then
    say "another ops command uses $1; waiting for its end"
    flock --timeout 900 9 || fail "another ops command still uses $1" "find it with: fuser $1/lock"
  fi
}

# Removes everything: data, ports, logs. The processes must have been stopped.
run_remove() { # RUN
  local run=$1
  if [[ -L $run/postgres ]]; then rm -rf "$(readlink -f "$run/postgres")"; fi
  ports_release "$run"
  rm -rf "$run"
}
