# shellcheck shell=bash
# Messages and progress. All output for people goes through this file.

# The descriptor for progress. Commands whose output is evaluated (`ops/servers start`) set it to 2.
SAY_FD="${SAY_FD:-1}"

say() { printf '%s\n' "$*" >&"$SAY_FD"; }
warn() { printf 'warning: %s\n' "$*" >&2; }

# fail MESSAGE [WHAT TO DO]: ends the command.
fail() {
  printf '\nfailed: %s\n' "$1" >&2
  if [[ -n ${2:-} ]]; then printf 'what to do: %s\n' "$2" >&2; fi
  exit 1
}

# Formats tenths of seconds as "12.3 s"; bash has no fractions.
now_tenths() {
  local micros=${EPOCHREALTIME/[.,]/}
  printf '%s' "$((micros / 100000))"
}
format_tenths() { printf '%d.%d s' "$(($1 / 10))" "$(($1 % 10))"; }
took_since() { format_tenths "$(($(now_tenths) - $1))"; }

say_done() { # TITLE STARTED
  printf '  ok    %-44s %9s\n' "$1" "$(took_since "$2")" >&"$SAY_FD"
}

# The last lines of a step's log usually contain the cause.
say_failed() { # TITLE STARTED LOG HINT
  printf '  FAIL  %-44s %9s\n' "$1" "$(took_since "$2")" >&"$SAY_FD"
  {
    printf '\nfailed: %s\n' "$1"
    printf 'why (the end of %s):\n' "$3"
    # grep ends the last line even where the program did not.
    tail -n 25 "$3" | grep '' | sed 's/^/  | /'
    printf 'what to do: %s\n' "$4"
  } >&2
}

# Shows that a long step is alive: rewrites one line every second on a terminal, otherwise prints a
# line every 30 seconds. Runs until it is killed.
ticker() { # TITLE STARTED LOG
  local seconds=0 last
  # The sleep may outlive us by a second and must not keep a pipe open that somebody reads to its end.
  while sleep 1 >&- 2>&-; do
    seconds=$((seconds + 1))
    last="$(tail -n 1 "$3" 2>/dev/null | tr -d '\r\033' | cut -c 1-60)" || last=""
    if [[ -t $SAY_FD ]]; then
      printf '\r\033[K  ...   %s, %d s  %s' "$1" "$seconds" "$last" >&"$SAY_FD"
    elif ((seconds % 30 == 0)); then
      printf '  ...   %s, %d s so far: %s\n' "$1" "$seconds" "$last" >&"$SAY_FD"
    fi
  done
}

ticker_stop() {
  kill "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
  if [[ -t $SAY_FD ]]; then printf '\r\033[K' >&"$SAY_FD"; fi
}

# step TITLE LOG HINT COMMAND…: runs COMMAND with its output in LOG; a failure is explained and
# ends the command. Call it as a plain statement: inside `if` or `||` bash would ignore the errors
# in COMMAND.
step() {
  local title=$1 log=$2 hint=$3 started ticker_pid status
  shift 3
  started="$(now_tenths)"
  mkdir -p "$(dirname "$log")"
  : >"$log"
  ticker "$title" "$started" "$log" 9>&- &
  ticker_pid=$!
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1 </dev/null
  status=$?
  set -e
  ticker_stop "$ticker_pid"
  if ((status != 0)); then
    say_failed "$title" "$started" "$log" "$hint"
    exit 1
  fi
  say_done "$title" "$started"
}

# The same in two halves, for work that runs in parallel with the next steps. One at a time.
step_begin() { # TITLE LOG HINT COMMAND…
  BESIDE_TITLE=$1 BESIDE_LOG=$2 BESIDE_HINT=$3
  shift 3
  BESIDE_STARTED="$(now_tenths)"
  mkdir -p "$(dirname "$BESIDE_LOG")"
  (
    set -e
    # What it started itself must end with it.
    trap 'kill $(jobs -p) 2>/dev/null; exit 143' TERM
    "$@"
    # Noted by the half itself: its time is not that of the step it runs beside.
    now_tenths >"$BESIDE_LOG.ended"
  ) >"$BESIDE_LOG" 2>&1 </dev/null &
  BESIDE_PID=$!
}

step_end() {
  local pid=$BESIDE_PID ended
  BESIDE_PID=""
  if ! wait "$pid"; then
    say_failed "$BESIDE_TITLE" "$BESIDE_STARTED" "$BESIDE_LOG" "$BESIDE_HINT"
    exit 1
  fi
  ended="$(<"$BESIDE_LOG.ended")"
  rm -f "$BESIDE_LOG.ended"
  printf '  ok    %-44s %9s\n' "$BESIDE_TITLE" "$(format_tenths "$((ended - BESIDE_STARTED))")" >&"$SAY_FD"
}

# For exit traps: no half may go on starting servers after its command has given up.
step_abandon() {
  if [[ -n ${BESIDE_PID:-} ]]; then
    kill "$BESIDE_PID" 2>/dev/null || true
    wait "$BESIDE_PID" 2>/dev/null || true
    BESIDE_PID=""
  fi
}
