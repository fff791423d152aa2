#!/usr/bin/env bash
# Upgrade an earlier commit in place and go back again, on one cache: as a clone, and as wheels with the stand-in.
# Usage: .ci/upgrade.sh [EARLIER_COMMIT]; the default is the last commit of 0.2.0 that users had; b8e9c624 is that of 0.1.0.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
now=$(git rev-parse HEAD)
earlier=$(git rev-parse "${1:-63352bcb}")

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
  # The first one writes a lock, which the others accept.
  [ -e posezoo.lock ] || step .venv/bin/posezoo lock movenet-thunder
  step .venv/bin/posezoo verify movenet-thunder --locked
done
if grep -q "came with the folder" "$place/printed"; then
  cat "$place/printed"
  exit 1
fi

cd "$place"
python3 -m venv wheels-env
for commit in "$earlier" "$now"; do
  git -C clone checkout -q "$commit"
  # The wheel states the version that is installed.
  step make -C clone .venv/.installed-run
  step clone/.venv/bin/posezoo shims --wheel "wheels-$commit" --force
  step wheels-env/bin/python -m pip install --upgrade --find-links "wheels-$commit" openvino-dev
  step wheels-env/bin/omz_info_dumper --name movenet-thunder
done
# The versions of two commits may be equal, and then pip keeps the earlier one.
installed=$(wheels-env/bin/posezoo --version)
[ "${installed##*+g}" = "${now:0:8}" ] || { echo "installed: $installed, expected: the commit ${now:0:8}"; exit 1; }
version=$(wheels-env/bin/python -c 'import importlib.metadata as m; print(m.version("openvino-dev"))')
from=$(sed -n 's/^version = //p' "$root/setup.cfg" | sed 's/\.0\.dev/.dev/')
[ "$version" = "2024.6.0+posezoo.$from" ] || { echo "the stand-in is $version, not of $from"; exit 1; }
echo "upgraded from ${earlier:0:8} to ${now:0:8}, back, and again: $installed, $version"
