#!/usr/bin/env bash
# Runs the quick tests on a machine that could not be less like ours: tests/hostile.sh [PYTEST ARGUMENTS]
#
# In a copy of the checkout and with a Python in a folder with a space, by a user who is not root (if root starts it),
# with settings of git, pip, AWS, Docker, proxies, the terminal and posezoo in the way. Afterwards neither the user's
# repository nor the home folder may have changed. PYTHON is the environment's Python, by default this checkout's.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
checkout="$place/a folder/posezoo"
home="$place/home"
mkdir -p "$checkout" "$home/.config/posezoo" "$home/.config/pip" "$home/.docker" "$place/bin"

git -C "$root" ls-files -z --cached --others --exclude-standard |
  tar -C "$root" --null --files-from - --ignore-failed-read -cf - | tar -C "$checkout" -xf -
as_maintainer=(git -C "$checkout" -c user.name=a -c user.email=a@a.invalid)
"${as_maintainer[@]}" init -q
"${as_maintainer[@]}" add .
"${as_maintainer[@]}" commit -qm "The state that is tested"
if [ -d "$root/../shared" ]; then
  ln -s "$(cd "$root/../shared" && pwd)" "$place/a folder/shared"
fi

git init -q "$place/repository"
printf '[global]\nuser = true\n' >"$home/.config/pip/pip.conf"
printf '[posezoo]\nno_such_key = 1\n' >"$home/.config/posezoo/posezoo.cfg"
printf '{"credsStore": "none-of-this-name"}' >"$home/.docker/config.json"
printf 'machine localhost login somebody password wrong\n' >"$home/.netrc"
printf '#!/bin/sh\nexit 1\n' >"$place/bin/uv"
chmod 755 "$place" "$place/bin/uv"
# An environment is where its Python is named.
ln -s "$(cd "$(dirname "$python")/.." && pwd)" "$place/a folder/environment"
python="$place/a folder/environment/bin/$(basename "$python")"

hostile=(
  HOME="$home" XDG_CONFIG_HOME="$home/.config" PATH="$place/bin:$PATH"
  PYTHONPATH="$checkout/src" CI=true GITHUB_ACTIONS=true
  GIT_DIR="$place/repository/.git" GIT_WORK_TREE="$place/repository" GIT_INDEX_FILE="$place/repository/.git/index"
  AWS_PROFILE=work DOCKER_CONFIG="$home/.docker" NETRC="$home/.netrc"
  HTTP_PROXY=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 ALL_PROXY=socks5://127.0.0.1:9
  COLUMNS=40 FORCE_COLOR=1 SOURCE_DATE_EPOCH=1 TZ=Pacific/Auckland LC_ALL=C
  POSEZOO_CACHE_DIR="$home/cache" POSEZOO_MODELS_DIR="$home/models"
)
command=(env -u TMPDIR -u PYTHONDONTWRITEBYTECODE -u ALL_TESTS "${hostile[@]}"
  bash -c 'umask 077 && exec "$@"' hostile "$python" -m pytest -m quick "$@")

# Python may be in a folder that only root may enter; then that folder is hidden, all but Python.
hide='set -e
  mkdir -p "$1/python" && mount --bind "$3" "$1/python"
  mount -t tmpfs -o mode=755 none "$2" && mkdir -p "$3" && mount --bind "$1/python" "$3"
  shift 3 && exec "$@"'
as_nobody=()
if [ "$(id -u)" = 0 ]; then
  chown -R nobody "$place"
  as_nobody=(setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups --inh-caps=-all --bounding-set=-all)
  if ! "${as_nobody[@]}" env "$python" -c "" 2>/dev/null; then
    prefix=$("$python" -c "import sys; print(sys.base_prefix)")
    barrier=$prefix
    while [ "$barrier" != / ] && "${as_nobody[@]}" env test ! -x "$(dirname "$barrier")"; do
      barrier=$(dirname "$barrier")
    done
    barrier=$(cd "$barrier" && pwd)
    as_nobody=(unshare --mount bash -c "$hide" hide "$place" "$barrier" "$prefix" "${as_nobody[@]}")
    "${as_nobody[@]}" env "$python" -c "" || { echo "no other user can start $python: run by root"; as_nobody=(); }
  fi
fi

touch "$place/begun"
cd "$checkout"
# What breaks beside thousands of others is told, and has to pass alone. If pytest broke off, some tests did not run.
"${as_nobody[@]}" "${command[@]}" || {
  [ $? = 1 ] || exit
  "${as_nobody[@]}" "${command[@]}" --numprocesses 0 --last-failed --last-failed-no-failures none
}
left=$(find "$home" "$place/repository" -newer "$place/begun" -type f)
if [ -n "$left" ]; then
  echo "the tests wrote into the tester's folders: $left" >&2
  exit 1
fi
echo "nothing was written outside"
