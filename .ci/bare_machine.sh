#!/usr/bin/env bash
# README's two commands on a machine that has nothing: Debian's base system with its own Python, no npm, no language, a
# user who is not root. A second user then downloads from a host whose certificate only the system trusts.
# Usage, as root, with debootstrap: .ci/bare_machine.sh [RELEASE_OF_DEBIAN]; trixie has Python 3.13, forky 3.14.
set -euo pipefail
# What is mounted for the machine, and the server, end with this process.
[ -n "${IS_OUR_NAMESPACE:-}" ] || IS_OUR_NAMESPACE=1 exec unshare --mount --pid --fork --kill-child "$0" "$@"
cd "$(dirname "$0")/.."
release=${1:-trixie}
machine=$(mktemp -d)
chmod 755 "$machine"
trap 'umount -lR "$machine"/{proc,sys,dev} || :; rm -rf --one-file-system "$machine"' EXIT

on_machine() {
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$machine" "$@"
}

as_user() {
  local user=$1
  shift
  echo "== $user: $*"
  on_machine su - "$user" -c "$*"
}

# All that README names, and the certificates of the system.
debootstrap --variant=minbase --include=python3,python3-venv,git,make,ca-certificates "$release" "$machine" >/dev/null
mount -t proc proc "$machine/proc"
mount -t sysfs sysfs "$machine/sys"
mount --rbind /dev "$machine/dev"
cp /etc/resolv.conf /etc/hosts "$machine/etc/"
cp -r /usr/local/share/ca-certificates "$machine/usr/local/share/"
on_machine useradd --create-home --shell /bin/bash ann
on_machine useradd --create-home --shell /bin/bash bob

# The authority of an office, and a host of it.
on_machine sh -euc '
  cd /root
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=The office" -keyout office.key \
    -out /usr/local/share/ca-certificates/office.crt
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -addext basicConstraints=critical,CA:false -CA /usr/local/share/ca-certificates/office.crt -CAkey office.key \
    -keyout host.key -out host.crt
  update-ca-certificates' >/dev/null 2>&1

git clone -q . "$machine/home/ann/posezoo"
on_machine chown -R ann:ann /home/ann
chmod 755 "$machine/home/ann"
# npm is not installed there: ann names the registry that it would ask.
! command -v npm >/dev/null || echo "registry=$(npm config get registry)" >"$machine/home/ann/.npmrc"
as_user ann "cd posezoo && make quickstart"
as_user ann "posezoo/.venv/bin/posezoo mirror create mirror blazepose-full"

on_machine python3 -c '
import functools, http.server, ssl
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="/home/ann/mirror")
server = http.server.ThreadingHTTPServer(("localhost", 4433), handler)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain("/root/host.crt", "/root/host.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()' 2>"$machine/root/requests" &
as_user bob "POSEZOO_MIRROR=https://localhost:4433 /home/ann/posezoo/.venv/bin/posezoo get blazepose-full --precisions FP16"
grep -q '"GET .*" 20' "$machine/root/requests"

as_user ann "cd posezoo && make test"
