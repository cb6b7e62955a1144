# shellcheck shell=bash
# Programs of the tests that Debian 12 has no package of. Each is installed once, into the cache.

OASDIFF_VERSION=1.37.0

# A virtual environment with the pinned programs of ops/requirements.txt.
python_ensure() {
  local venv="$CACHE/python" wanted="$OPS/requirements.txt"
  if ! cmp -s "$wanted" "$venv/requirements.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
    cp "$wanted" "$venv/requirements.txt"
  fi
}

# The packages of the TypeScript client (gateway/clients/typescript).
typescript_ensure() {
  local client="$REPO/gateway/clients/typescript" home="$CACHE/typescript"
  if ! cmp -s "$client/package-lock.json" "$home/installed.json"; then
    rm -rf "$home"
    mkdir -p "$home"
    cp "$client/package.json" "$client/package-lock.json" "$home/"
    (cd "$home" && npm ci --silent --no-audit --no-fund)
    cp "$client/package-lock.json" "$home/installed.json"
  fi
}

oasdiff_ensure() {
  [[ -x $CACHE/tools/bin/oasdiff ]] ||
    GOBIN="$CACHE/tools/bin" go install "github.com/oasdiff/oasdiff@v$OASDIFF_VERSION"
}

# Compares gateway/openapi.json with the last committed one that differs. A change that would break
# a client needs another version of the interface: the first number, or the second while the first
# is 0.
openapi_unbroken() {
  local document=gateway/openapi.json before
  oasdiff_ensure
  before="$(mktemp)"
  if ! openapi_before "$document" >"$before"; then
    rm -f "$before"
    echo "no other version of $document is committed"
    return 0
  fi
  if [[ $(openapi_version "$before") == "$(openapi_version "$document")" ]]; then
    "$CACHE/tools/bin/oasdiff" breaking --fail-on ERR "$before" "$document"
  else
    echo "another version of the interface: $(openapi_version "$before"), now $(openapi_version "$document")"
  fi
  rm -f "$before"
}

# Prints the last committed document that differs from the one in the tree.
openapi_before() { # PATH
  local commit
  while IFS= read -r commit; do
    if ! git show "$commit:$1" 2>/dev/null | cmp -s - "$1"; then
      git show "$commit:$1" 2>/dev/null
      return
    fi
  done < <(git log --max-count=50 --format=%H -- "$1")
  return 1
}

# Prints the part of a document's version that a breaking change must raise.
openapi_version() { # FILE
  sed -n 's/^    "version": "\(.*\)",\{0,1\}$/\1/p' "$1" | head -n 1 | sed 's/^\(0\.[0-9]*\|[1-9][0-9]*\)\..*/\1/'
}
