# shellcheck shell=bash
# A copy of the working tree that is changed and built separately, with its own target folder.

# Sets the folder of the copy and of its build, and locks it until this shell ends.
tree_at() { # FOLDER
  WORK=$1
  TREE="$WORK/tree"
  mkdir -p "$TREE"
  exec 8>"$WORK/lock"
  flock 8
}

# Makes the copy equal to the working tree. Files that differ are rewritten, so that cargo notices
# the change by their time.
tree_restore() {
  local file
  git -C "$REPO" ls-files --cached --others --exclude-standard | while IFS= read -r file; do
    if [[ -f $REPO/$file ]]; then printf '%s\n' "$file"; fi
  done | LC_ALL=C sort >"$WORK/wanted"
  (cd "$TREE" && find . -type f -printf '%P\n') | LC_ALL=C sort >"$WORK/found"
  LC_ALL=C comm -13 "$WORK/wanted" "$WORK/found" | while IFS= read -r file; do rm -f "${TREE:?}/$file"; done
  while IFS= read -r file; do
    if ! cmp -s "$REPO/$file" "$TREE/$file"; then
      mkdir -p "$(dirname "$TREE/$file")"
      cp "$REPO/$file" "$TREE/$file"
    fi
  done <"$WORK/wanted"
}

# Dependencies were built already for the tests: the first build starts from those. The project's
# own crates look changed then.
tree_seed() {
  local from
  from="$(cargo_target)/debug"
  if [[ -d $WORK/target || ! -d $from/deps ]]; then return 0; fi
  rm -rf "$WORK/seed"
  mkdir -p "$WORK/seed/debug/deps"
  cp -a --reflink=auto "$from/.fingerprint" "$from/build" "$WORK/seed/debug/"
  find "$from/deps" -maxdepth 1 -regextype posix-extended -regex '.*\.(rlib|rmeta|so|d)' \
    -exec cp -a --reflink=auto -t "$WORK/seed/debug/deps" {} +
  find "$TREE" -type f -exec touch {} +
  mv "$WORK/seed" "$WORK/target"
}

# git would take the copy for a part of this repository and skip files that are ignored here.
tree_patch() { (cd "$TREE" && GIT_CEILING_DIRECTORIES="$WORK" git apply "$1"); }
