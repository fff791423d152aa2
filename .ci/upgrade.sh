#!/usr/bin/env bash
# Upgrade an earlier commit in place and go back again, as a clone, on one cache. tests/test_last_release.py does so with
# wheels and the stand-in.
# Usage: .ci/upgrade.sh [EARLIER_COMMIT]; the default is the last commit of 0.2.0 that users had; b8e9c624 is that of 0.1.0.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
now=$(git rev-parse HEAD)
earlier=$(git rev-parse "${1:-63352bcb}^{commit}")
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
for commit in "$earlier" "$now" "$earlier" "$now"; do
  step git checkout -q "$commit"
  step make quickstart
  # Both may have the same version, so the commits are compared.
  runs=$(.venv/bin/posezoo --version)
  if [ "${runs##*+g}" != "${commit:0:8}" ]; then
    echo "$runs runs, but ${commit:0:8} is checked out"
    exit 1
  fi
  # The first one writes a lock, which the others accept.
  [ -e posezoo.lock ] || step .venv/bin/posezoo lock movenet-thunder
  step .venv/bin/posezoo verify movenet-thunder --locked
done
if grep -q "came with the folder" "$place/printed"; then
  cat "$place/printed"
  exit 1
fi

echo "upgraded from ${earlier:0:8} to ${now:0:8}, back, and again"
