# shellcheck shell=bash
# Installs only the missing Debian packages; installed ones are neither upgraded nor restarted.

POSTGRES_BIN="${LFG_POSTGRES_BIN:-/usr/lib/postgresql/15/bin}"

has() { command -v "$1" >/dev/null 2>&1; }

java_is_new_enough() {
  local version
  has java || return 1
  version="$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)"
  [[ -n $version ]] && ((version >= 17))
}

# Prints the missing packages. A package counts as present if the needed program works, whatever its
# source.
packages_missing() { # PART…  (build tools kafka postgres redis)
  local part
  for part in "$@"; do
    case $part in
      build)
        has gcc || echo gcc
        has g++ || echo g++
        [[ -e /usr/include/stdio.h ]] || echo libc6-dev
        has make || echo make
        has pkg-config || echo pkg-config
        has curl || echo curl
        ;;
      tools)
        python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
        has npm || echo npm
        has go || echo golang-go
        ;;
      kafka)
        java_is_new_enough || echo openjdk-17-jre-headless
        has mvn || echo maven
        ;;
      postgres)
        [[ -x $POSTGRES_BIN/postgres ]] || echo postgresql-15
        [[ -x $POSTGRES_BIN/psql ]] || echo postgresql-client-15
        ;;
      redis)
        has redis-server || echo redis-server
        has redis-cli || echo redis-tools
        ;;
    esac
  done
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  else
    # The step's output goes to a log, where a password prompt would be invisible.
    sudo --non-interactive "$@"
  fi
}

# Ask for the password before a step hides the terminal.
packages_authorise() {
  ((EUID == 0)) && return 0
  has sudo || fail "packages are missing, and this user is neither root nor has sudo: $*" \
    "as root: apt-get install $*"
  sudo --non-interactive true 2>/dev/null || [[ ! -t 0 ]] || sudo --validate
}

# Debian's packages start a server when installed. policy-rc.d is Debian's way to prevent that; it
# applies only to newly installed packages, since nothing else is changed here.
packages_quiet_begin() { # PACKAGE…
  if [[ ! -e /usr/sbin/policy-rc.d ]]; then
    printf '#!/bin/sh\n# Written by ops/lib/packages.sh for the duration of one installation.\nexit 101\n' |
      as_root tee /usr/sbin/policy-rc.d >/dev/null
    as_root chmod 755 /usr/sbin/policy-rc.d
    QUIET_POLICY=1
  fi
  if [[ " $* " == *" postgresql-15 "* ]]; then
    as_root mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' |
      as_root tee /etc/postgresql-common/createcluster.d/lfg.conf >/dev/null
    QUIET_CLUSTER=1
  fi
}

packages_quiet_end() {
  if [[ -n ${QUIET_POLICY:-} ]]; then as_root rm -f /usr/sbin/policy-rc.d; fi
  if [[ -n ${QUIET_CLUSTER:-} ]]; then as_root rm -f /etc/postgresql-common/createcluster.d/lfg.conf; fi
}

packages_install() { # PACKAGE…
  trap packages_quiet_end EXIT
  packages_quiet_begin "$@"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
    --no-install-recommends --no-upgrade -o DPkg::Lock::Timeout=300 "$@"
  # Also prevent a Redis that nobody asked for from starting at the next boot.
  if [[ " $* " == *" redis-server "* && -d /run/systemd/system ]]; then
    as_root systemctl disable --quiet redis-server || true
  fi
}

# packages_ensure LOG PART…
packages_ensure() {
  local log=$1 missing
  shift
  mapfile -t missing < <(packages_missing "$@")
  ((${#missing[@]} > 0)) || return 0
  has apt-get || fail "missing on this machine, which is not Debian: ${missing[*]}" \
    "install them in this system's way, or set KAFKA_BROKERS, DATABASE_URL and REDIS_URL to servers elsewhere"
  packages_authorise "${missing[@]}"
  step "install ${missing[*]}" "$log" \
    "try it by hand: apt-get update && apt-get install ${missing[*]}" \
    packages_install "${missing[@]}"
}
