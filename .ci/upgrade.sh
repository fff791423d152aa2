#!/usr/bin/env bash
# Upgrade the last release in place, as a clone. tests/test_last_release.py does so with wheels.
# Usage: .ci/upgrade.sh [EARLIER_COMMIT]; the default is the last release.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
now=$(git rev-parse HEAD)
if [ $# = 0 ]; then earlier=$(.ci/last_release.sh); else earlier=$(git rev-parse "$1^{commit}"); fi
if [ "$earlier" = "$now" ]; then
  echo "nothing is upgraded: ${now:0:8} is the commit that is checked out; name an earlier one" >&2
  exit 2
fi

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# Caches and keys of its own. The home stays: the configuration of pip, npm and git is there.
export XDG_CACHE_HOME=$place/cache XDG_DATA_HOME=$place/data

step() {
  echo "== $*"
  "$@" >"$place/printed" 2>&1 || { cat "$place/printed"; echo "== $* failed"; exit 1; }
}

git clone -q "$root" "$place/clone"
cd "$place/clone"
for commit in "$earlier" "$now"; do
  step git checkout -q "$commit"
  step make quickstart
  # Both may have the same version, so the commits are compared.
  runs=$(.venv/bin/posezoo --version)
  if [ "${runs##*+g}" != "${commit:0:8}" ]; then
    echo "$runs runs, but ${commit:0:8} is checked out"
    exit 1
  fi
  if [ "$commit" = "$earlier" ]; then
    step .venv/bin/posezoo lock movenet-thunder
    cp posezoo.lock "$place/lock"
  fi
done
# No file of the user is lost: neither the lock nor what it lists.
step cmp posezoo.lock "$place/lock"
# 0.4.0 is the first version with which later ones are compatible. A lock of an earlier one refuses an IR whose model.yml has
# changed since, in one line, and a new lock takes it.
if ! .venv/bin/posezoo verify movenet-thunder --locked >"$place/verified" 2>&1; then
  cat "$place/verified"
  case $(git show "$earlier:setup.cfg" | sed -n 's/^version = //p') in 0.[123].*) ;; *) exit 1 ;; esac
  [ "$(grep -c "^refused" "$place/verified")" = 1 ]
  [ "$(grep -c "^good" "$place/verified")" = 4 ]
  step .venv/bin/posezoo lock movenet-thunder
  step .venv/bin/posezoo verify movenet-thunder --locked
fi

echo "upgraded from ${earlier:0:8} to ${now:0:8}"
