# shellcheck shell=bash
# What every command in ops/ begins with: strict mode, the two folders, and the libraries.
#
# A "run dir" holds everything one stack owns (ports, pids, logs, data); every function takes it as
# its first argument, so several stacks live side by side. Layout:
#
#   ports/NAME     the port NAME was given, kept so that a second start uses it again
#   pids/NAME      "PID START-TIME" of the process, see processes.sh
#   logs/NAME.log  what the process printed
#   external/NAME  the URL of a service that was given from outside and is not ours to start or stop
#   kafka/ postgres/ redis/ snapshots/ gateway-state/   data

set -euo pipefail

OPS="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
REPO="$(dirname "$OPS")"
# Downloads that every stack shares and that `ops/reset` leaves alone.
CACHE="$(realpath -m "${LFG_CACHE:-$REPO/.cache}")"
# The run dir of ops/up and its companions.
RUN="$(realpath -m "${LFG_RUN_DIR:-$REPO/.run}")"
readonly OPS REPO CACHE RUN

for library in say run packages ports processes kafka postgres redis servers stack; do
  # shellcheck source=/dev/null
  source "$OPS/lib/$library.sh"
done
unset library
