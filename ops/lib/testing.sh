# shellcheck shell=bash
# The setup, checks and cleanup of one run of ops/test.

TEST_PARENT="${TMPDIR:-/tmp}"
TEST_FAILED_CHECKS=()
TEST_STATUS=1
TEST_SERVERS=()
# The total disk space for the build and the servers of a first run.
TEST_ROOM_MIB=6000

# Runs that were killed could not clean up. Their folders name their owner; a folder without a
# living owner is stopped and removed.
testing_sweep() {
  local dir
  for dir in "$TEST_PARENT"/lfg-test-run.*; do
    [[ -O $dir && -e $dir/pids/owner ]] || continue
    if ! process_runs "$dir" owner; then
      warn "cleaning up after a test run that was killed: $dir"
      testing_end_session "$(process_pid "$dir" tests || true)"
      servers_stop "$dir"
      run_remove "$dir"
    fi
  done
}

testing_begin() {
  TEST_STARTED="$(now_tenths)"
  TEST_RUN="$(mktemp -d "$TEST_PARENT/lfg-test-run.XXXXXX")"
  run_prepare "$TEST_RUN"
  printf '%s %s\n' "$$" "$(process_birth $$)" >"$TEST_RUN/pids/owner"
  trap testing_cleanup EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  servers_note_external "$TEST_RUN"
  mapfile -t TEST_SERVERS < <(servers_own "$TEST_RUN")
  local server
  for server in "${SERVERS[@]}"; do
    if server_is_external "$TEST_RUN" "$server"; then
      say "  $(server_variable "$server") is set: the tests use that $server"
    fi
  done
}

# A full disk appears as an error of the linker or of a server, far from its cause.
testing_room() {
  local target place free
  target="$(cargo_target)"
  mkdir -p "$target"
  for place in "$target" "$TEST_PARENT"; do
    free="$(df --output=avail -BM "$place" | tail -n 1 | tr -dc 0-9)"
    ((free >= TEST_ROOM_MIB)) || warn "$place has $free MiB left; a first run takes up to $TEST_ROOM_MIB"
  done
}

# Records a failed check and continues: one run reports all failures.
testing_check() { # TITLE HINT COMMAND…
  local title=$1 hint=$2 log
  shift 2
  log="$TEST_RUN/logs/check-${title%%[, ]*}.log"
  (step "$title" "$log" "$hint" "$@") || TEST_FAILED_CHECKS+=("$title")
}

# Debian 12 has no package of cargo-deny: it is built once, into the cache. Its advisories need a
# database that must be downloaded, so they are checked elsewhere (see deny.toml).
testing_deny() {
  PATH="$CACHE/tools/bin:$PATH"
  cargo deny --version || cargo install cargo-deny --version 0.20.2 --locked --root "$CACHE/tools"
  cargo deny check licenses bans sources
}

testing_shellcheck() {
  local file scripts=()
  while IFS= read -r file; do
    if head -n 1 "$file" | grep -qE '^#!.*\b(ba)?sh$'; then scripts+=("$file"); fi
  done < <(find ops .ci -type f -not -name '*.sh')
  shellcheck ops/lib/*.sh "${scripts[@]}"
}

# Ends cargo and all processes that the tests started or left behind.
testing_end_session() { # PID or nothing
  [[ -n $1 ]] || return 0
  kill -s TERM -- "-$1" 2>/dev/null || return 0
  kill -s KILL -- "-$1" 2>/dev/null || true
}

# Runs the tests in a session of their own, so that an interrupt ends the test programs too. Their
# output goes to the terminal and to a log.
testing_run() { # COMMAND…
  local tee_pid out
  TEST_LOG="$TEST_RUN/logs/test.log"
  exec {out}> >(trap '' INT TERM && exec tee "$TEST_LOG")
  tee_pid=$!
  (exec setsid "$@") </dev/null >&"$out" 2>&1 &
  TEST_PID=$!
  printf '%s %s\n' "$TEST_PID" "$(process_birth "$TEST_PID")" >"$TEST_RUN/pids/tests"
  if wait "$TEST_PID"; then TEST_STATUS=0; else TEST_STATUS=$?; fi
  # A program that a test left behind would keep the output open indefinitely.
  testing_end_session "$TEST_PID"
  TEST_PID=""
  exec {out}>&-
  # All output must be printed and logged before it is summed up.
  wait "$tee_pid" || true
}

testing_end() {
  if ((${#TEST_FAILED_CHECKS[@]} > 0)) && ((TEST_STATUS == 0)); then TEST_STATUS=1; fi
  exit "$TEST_STATUS"
}

testing_stop() {
  testing_end_session "${TEST_PID:-}"
  step_abandon
  servers_stop "$TEST_RUN" || true
}

# Runs at every exit: clean, failed or interrupted.
testing_cleanup() {
  local status=$? kept check summary="$TEST_RUN/summary"
  trap - EXIT
  trap '' INT TERM HUP
  set +e
  testing_stop
  # Strip colours, if any.
  sed 's/\x1b\[[0-9;]*m//g' "${TEST_LOG:-/dev/null}" 2>/dev/null | grep '^test result:' >"$summary"
  say ""
  say "  total time $(took_since "$TEST_STARTED")"
  for check in "${TEST_FAILED_CHECKS[@]}"; do say "  failed check: $check"; done
  if ((status != 0)); then
    kept="$(mktemp -d "$TEST_PARENT/lfg-test-logs.XXXXXX")"
    mv "$TEST_RUN/logs/"* "$kept/" 2>/dev/null
    say "  failed; the logs of this run are in $kept"
  fi
  testing_summary "$summary"
  run_remove "$TEST_RUN"
  exit "$status"
}

# Prints the test runner's own lines, then their sum alone on the last line.
testing_summary() { # FILE
  cat "$1"
  awk '{ passed += $4; failed += $6 } END { printf "%d passed, %d failed\n", passed, failed }' "$1"
}
