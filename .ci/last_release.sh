#!/usr/bin/env bash
# Print the last release of this repository: the newest earlier commit whose version in setup.cfg has no "dev", and is
# not that of this commit.
set -euo pipefail

version_of() {
  git show "$1:setup.cfg" | sed -n 's/^version = //p'
}

now=$(version_of HEAD)
# A version is that of all commits up to the one that changes setup.cfg: so the parents of these are asked.
for commit in $(git rev-list --first-parent --min-parents=1 HEAD -- setup.cfg); do
  version=$(version_of "$commit^")
  case $version in
    "$now" | *dev*) ;;
    *)
      git rev-parse "$commit^"
      exit
      ;;
  esac
done
echo "no earlier commit here is a release: a shallow clone lacks it; git fetch --unshallow brings the history" >&2
exit 1
