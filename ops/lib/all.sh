# shellcheck shell=bash
# Included by every command in ops/: strict mode, the two folders, and the libraries.
#
# A "run dir" contains all files of one stack (ports, pids, logs, data). Every function takes it as
# its first argument, so several stacks can exist side by side. Layout:
#
#   ports/NAME     the port of NAME, kept so that the next start uses it again
#   pids/NAME      "PID START-TIME" of the process, see processes.sh
#   logs/NAME.log  the output of the process
#   external/NAME  the URL of an external service, which ops/ does not start or stop
#   kafka/ postgres/ redis/ snapshots/ gateway-state/   data

set -euo pipefail

OPS="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
REPO="$(dirname "$OPS")"
# Downloads shared by all stacks; `ops/reset` keeps them.
CACHE="$(realpath -m "${LFG_CACHE:-$REPO/.cache}")"
# The run dir of ops/up and related commands.
RUN="$(realpath -m "${LFG_RUN_DIR:-$REPO/.run}")"
readonly OPS REPO CACHE RUN

for library in say run packages ports processes kafka postgres redis servers stack; do
  # shellcheck source=/dev/null
  source "$OPS/lib/$library.sh"
done
unset library
