# shellcheck shell=bash
# Starts background processes, identifies them, waits for them, stops them.
#
# A pid alone does not identify a process: after a crash another process may get the number. So the
# pid file contains the pid and the process's start time, and no signal is sent unless both match.

# Prints the start time in clock ticks since boot; empty for a process that is gone or a zombie.
process_birth() { # PID
  local stat
  stat="$(cat "/proc/$1/stat" 2>/dev/null)" || return 0
  # The second field is the name in brackets and may hold blanks: count after it.
  # shellcheck disable=SC2086
  set -- ${stat##*) }
  [[ $1 == Z || $1 == X ]] || printf '%s' "${20}"
}

# Prints the pid of NAME if it runs, else fails.
process_pid() { # RUN NAME
  local pid birth
  read -r pid birth 2>/dev/null <"$1/pids/$2" || return 1
  [[ -n $birth && "$(process_birth "$pid")" == "$birth" ]] || return 1
  printf '%s' "$pid"
}

process_runs() { process_pid "$1" "$2" >/dev/null; }

# process_start RUN NAME COMMAND…: returns immediately.
process_start() {
  local run=$1 name=$2 pid
  shift 2
  log_rotate "$run/logs/$name.log"
  # setsid: a Ctrl-C meant for the ops command must not reach the servers. It replaces the subshell,
  # so the pid stays the same. 9 is the run dir's lock.
  (cd / && exec setsid "$@") </dev/null >>"$run/logs/$name.log" 2>&1 9>&- &
  pid=$!
  printf '%s %s\n' "$pid" "$(process_birth "$pid")" >"$run/pids/$name"
}

log_rotate() { # LOG
  if [[ -f $1 ]] && (($(stat -c %s "$1") > 50000000)); then mv -f "$1" "$1.1"; fi
}

# process_await RUN NAME SECONDS CHECK…: polls CHECK; gives up early when the process has died.
process_await() {
  local run=$1 name=$2 seconds=$3 deadline
  shift 3
  deadline=$((SECONDS + seconds))
  until "$@"; do
    if ! process_runs "$run" "$name"; then
      echo "$name ended before it was ready. The end of its log, $run/logs/$name.log:" >&2
      tail -n 20 "$run/logs/$name.log" >&2
      return 1
    fi
    if ((SECONDS >= deadline)); then
      echo "$name was not ready within $seconds s. The end of its log, $run/logs/$name.log:" >&2
      tail -n 20 "$run/logs/$name.log" >&2
      return 1
    fi
    sleep 0.1
  done
}

# process_stop RUN NAME SIGNAL SECONDS: asks with SIGNAL, waits, and then kills.
process_stop() {
  local run=$1 name=$2 signal=$3 deadline=$((SECONDS + $4)) pid
  pid="$(process_pid "$run" "$name")" || {
    rm -f "$run/pids/$name"
    return 0
  }
  kill -s "$signal" "$pid" 2>/dev/null || true
  while process_runs "$run" "$name"; do
    if ((SECONDS >= deadline)); then
      warn "$name (pid $pid) did not end within $4 s and is killed"
      kill -s KILL "$pid" 2>/dev/null || true
      deadline=$((SECONDS + 10))
    fi
    sleep 0.1
  done
  rm -f "$run/pids/$name"
}
