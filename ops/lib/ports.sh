# shellcheck shell=bash
# Chooses free loopback ports from 20000 to 29999: above the well-known servers and below the
# kernel's range for outgoing connections.

# Stacks of one user that start at the same time must not choose the same port, so a file that names
# the run dir claims the port. A claim whose run dir is gone is void.
PORT_CLAIMS="${TMPDIR:-/tmp}/lfg-ports-$UID"

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

port_claim() { # RUN PORT
  local claim=$PORT_CLAIMS/$2 owner
  mkdir -p "$PORT_CLAIMS"
  if [[ -e $claim ]]; then
    owner="$(<"$claim")" || owner=""
    [[ $owner == "$1" ]] && return 0
    if [[ -n $owner && -d $owner ]] && grep -qsxr "$2" "$owner/ports"; then return 1; fi
    rm -f "$claim"
  fi
  # noclobber: of two concurrent claims, one succeeds.
  (set -o noclobber && printf '%s' "$1" >"$claim") 2>/dev/null
}

# port_for RUN NAME: prints NAME's port, the previous one if it is free. Call it only while NAME
# does not run.
port_for() {
  local run=$1 file=$1/ports/$2 port attempt
  if [[ -s $file ]]; then
    port="$(<"$file")"
    if ! port_answers "$port" && port_claim "$run" "$port"; then
      printf '%s' "$port"
      return 0
    fi
  fi
  for ((attempt = 0; attempt < 200; attempt++)); do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 10000))
    if ! port_answers "$port" && port_claim "$run" "$port"; then
      printf '%s\n' "$port" >"$file"
      printf '%s' "$port"
      return 0
    fi
  done
  echo "no free port on 127.0.0.1 between 20000 and 29999" >&2
  return 1
}

# Prints the port assigned to NAME, without a check.
port_of() { cat "$1/ports/$2" 2>/dev/null; }

ports_release() { # RUN
  local file
  for file in "$1"/ports/*; do
    if [[ -s $file ]]; then rm -f "$PORT_CLAIMS/$(<"$file")"; fi
  done
}
