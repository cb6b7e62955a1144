# shellcheck shell=bash
# Builds, starts and watches the project's own programs. They are configured by environment
# variables only; this file lists them all.

# In start order. The gateway comes last because it depends on the others.
STACK_PARTS=(engine projections gateway)

BUILD_HINT="read the compiler's message above. Out of memory? Set CARGO_BUILD_JOBS=1 and run it again"

# A shell that is older than the Rust installation does not have it in its path.
cargo_required() {
  has cargo || PATH="$HOME/.cargo/bin:$PATH"
  has cargo || fail "cargo is missing: Rust is not installed" \
    "install it with rustup (https://rustup.rs), open a new shell, and run this again"
  [[ -f $REPO/Cargo.toml ]] || fail "there is no Cargo.toml in $REPO" "run this from a complete checkout"
}

# Prints cargo's target folder; CARGO_TARGET_DIR and cargo's configuration may change it.
cargo_target() {
  cargo metadata --no-deps --offline --format-version 1 --manifest-path "$REPO/Cargo.toml" |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}

# Builds only what ops/up runs: the simulation is not part of the stack.
stack_build() { cd "$REPO" && cargo build --release --bins -p engine -p projections -p gateway -p loadtest; }

# Writes the settings common to the whole stack, so that ops/status, ops/env and ops/loadtest use
# the same values as ops/up.
stack_settle() { # RUN BIN_DIR
  local run=$1 shards
  shards="$(stack_shards "$run")"
  (
    umask 077
    {
      printf 'export LFG_TOPIC_PREFIX=%q\n' "${LFG_TOPIC_PREFIX:-lfg}"
      printf 'export LFG_SHARDS=%q\n' "${LFG_SHARDS:-$shards}"
      # One broker. Without these two settings every process demands 3 replicas, 2 of them in sync.
      printf 'export LFG_REPLICATION=%q\n' "${LFG_REPLICATION:-1}"
      printf 'export LFG_MIN_IN_SYNC=%q\n' "${LFG_MIN_IN_SYNC:-1}"
      printf 'export LFG_SNAPSHOTS=%q\n' "${LFG_SNAPSHOTS:-$run/snapshots}"
      printf 'export LFG_GATEWAY_STATE=%q\n' "${LFG_GATEWAY_STATE:-$run/gateway-state}"
      printf 'export LFG_BIN_DIR=%q\n' "$2"
    } >"$run/settings"
  )
  mkdir -p "$run/snapshots"
  stack_admin_key "$run" admin
  stack_admin_key "$run" second-admin
}

# Prints the number of the stack's shards; a new stack gets one per processor, 4 at most. Fewer
# shards put more records into a request, which is most of an order's cost (docs/benchmarks.md);
# with one shard there would be no messages between shards, so the minimum is 2.
stack_shards() { # RUN
  local shards
  if stack_is_settled "$1"; then
    sed -n 's/^export LFG_SHARDS=//p' "$1/settings"
    return
  fi
  shards="$(nproc)"
  ((shards >= 2)) || shards=2
  ((shards <= 4)) || shards=4
  echo "$shards"
}

stack_is_settled() { [[ -s $1/settings ]]; }

# Creates the keys of the two people who administer the exchange: a market's answer needs both.
# Created once, readable only by their owner; the gateway receives only their hashes.
stack_admin_key() { # RUN NAME
  local file=$1/$2.key
  if [[ ! -s $file ]]; then
    (umask 077 && printf 'lfg_admin_%s\n' "$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')" >"$file")
  fi
}

stack_admin_key_hash() { # RUN NAME
  printf '%s' "$(<"$1/$2.key")" | sha256sum | cut -d ' ' -f 1
}

# Prints the admin who counts as long as the log has none.
stack_first_admin() { printf '1=%s' "$(stack_admin_key_hash "$1" admin)"; } # RUN

# Sets both admins on the log, unless they exist with these keys.
stack_set_admins() { # RUN
  local url
  url="$(stack_url "$1")/v1/admin/admins"
  if stack_as_admin "$1" second-admin "$url" >/dev/null 2>&1; then
    echo "both admins are on the log"
    return 0
  fi
  stack_set_admin "$1" "$url/1" admin
  stack_set_admin "$1" "$url/2" second-admin
}

stack_set_admin() { # RUN URL NAME
  stack_as_admin "$1" admin --request PUT --header 'content-type: application/json' --data \
    "{\"roles\": [\"MARKETS\", \"MONEY\", \"AUDITOR\", \"ADMINS\"], \"name\": \"$3\", \"key_hash\": \"$(stack_admin_key_hash "$1" "$3")\"}" \
    "$2"
  echo
}

# The key goes through a pipe: every user of the machine can see arguments.
stack_as_admin() { # RUN KEY-NAME ARGUMENTS-OF-CURL…
  local key=$1/$2.key
  shift 2
  curl --silent --show-error --fail-with-body --noproxy '*' --max-time 30 --config - "$@" \
    < <(printf 'header = "authorization: Bearer %s"\n' "$(<"$key")")
}

stack_url() { printf 'http://127.0.0.1:%s' "$(port_of "$1" gateway)"; }
stack_admin_url() { printf 'http://127.0.0.1:%s' "$(port_of "$1" "$2-admin")"; } # RUN PART

# Prints the environment of the running stack, for developers and for ops/loadtest.
stack_env() { # RUN
  local part
  servers_env "$1"
  cat "$1/settings"
  printf 'export LFG_URL=%q\n' "$(stack_url "$1")"
  printf 'export LFG_ADMIN_KEY_FILE=%q\n' "$1/admin.key"
  printf 'export LFG_SECOND_ADMIN_KEY_FILE=%q\n' "$1/second-admin.key"
  for part in "${STACK_PARTS[@]}"; do
    printf 'export LFG_%s_ADMIN_URL=%q\n' "${part^^}" "$(stack_admin_url "$1" "$part")"
  done
}

# Runs a command with the environment common to all programs.
stack_with() { # RUN COMMAND…
  local run=$1
  shift
  (
    servers_export "$run"
    # shellcheck source=/dev/null
    source "$run/settings"
    exec "$@"
  )
}

# Prints the variables specific to one part, as arguments to env.
stack_variables() { # RUN PART
  echo "LFG_ADMIN_LISTEN=127.0.0.1:$(port_of "$1" "$2-admin")"
  if [[ $2 == gateway ]]; then
    echo "LFG_LISTEN=127.0.0.1:$(port_of "$1" gateway)"
    echo "LFG_FIRST_ADMIN=$(stack_first_admin "$1")"
    # There is no load balancer that has to see the end coming.
    echo "LFG_NOTICE_WITHIN=${LFG_NOTICE_WITHIN:-0}"
    # Load tests open accounts from one address.
    echo "LFG_ACCOUNTS_PER_ADDRESS=1000000"
    # All clients of a local stack have one address, the load test's hundreds among them.
    echo "LFG_SHARED_ADDRESSES=${LFG_SHARED_ADDRESSES:-127.0.0.1}"
  fi
}

# A part is restarted if it does not run, if its program is newer than its start, or if its settings
# have changed since (for example a server's address).
stack_part_is_current() { # RUN PART
  local run=$1 part=$2
  process_runs "$run" "$part" || return 1
  [[ ! $(stack_binary "$run" "$part") -nt $run/pids/$part ]] || return 1
  [[ "$(cat "$run/pids/$part.told" 2>/dev/null)" == "$(stack_told "$run" "$part")" ]]
}

stack_binary() { # RUN PROGRAM
  # shellcheck source=/dev/null
  (source "$1/settings" && printf '%s/%s' "$LFG_BIN_DIR" "$2")
}

stack_told() { # RUN PART
  { servers_env "$1" && cat "$1/settings" && stack_variables "$1" "$2"; } | sha256sum
}

stack_start() { # RUN PART
  local run=$1 part=$2 variables
  if stack_part_is_current "$run" "$part"; then
    echo "$part runs"
    return 0
  fi
  stack_stop "$run" "$part"
  port_for "$run" "$part-admin" >/dev/null
  if [[ $part == gateway ]]; then port_for "$run" gateway >/dev/null; fi
  mapfile -t variables < <(stack_variables "$run" "$part")
  (
    servers_export "$run"
    # shellcheck source=/dev/null
    source "$run/settings"
    export "${variables[@]}"
    process_start "$run" "$part" "$LFG_BIN_DIR/$part" run
  )
  stack_told "$run" "$part" >"$run/pids/$part.told"
}

# Starts the parts in parallel, then waits for each.
stack_start_all() { # RUN
  local part
  for part in "${STACK_PARTS[@]}"; do stack_start "$1" "$part"; done
  for part in "${STACK_PARTS[@]}"; do process_await "$1" "$part" 90 stack_ready "$1" "$part"; done
}

stack_ready() { # RUN PART
  curl --silent --fail --noproxy '*' --max-time 2 --output /dev/null "$(stack_admin_url "$1" "$2")/readyz"
}

stack_stop() { # RUN PART
  process_stop "$1" "$2" TERM 20
  rm -f "$1/pids/$2.told"
}

stack_stop_all() { # RUN
  local index
  for ((index = ${#STACK_PARTS[@]} - 1; index >= 0; index--)); do stack_stop "$1" "${STACK_PARTS[index]}"; done
}
