#!/usr/bin/env bash
# Fetches the real releases that the end-to-end tests and proofs run on, by name and version:
# node-red from npm with its production dependencies, and the ruff binary from its PyPI wheels; as root
# and with mmdebstrap also the root of a bare Debian, which the machine test boots.
# They go to $SANAGA_INPUTS, or .cache/inputs at the root of the checkout. What is there already is
# left alone, so a cached folder costs nothing. Needs npm and python3 with pip.
set -euo pipefail
umask 022

root=$(cd "$(dirname "$0")/.." && pwd)
inputs=${SANAGA_INPUTS:-$root/.cache/inputs}
# The dependencies of node-red are ranges. They are resolved as of this instant, so that the trees
# are the same on every machine and in every year.
npm_before=${SANAGA_NPM_BEFORE:-2026-09-02T00:00:00Z}

# A digest over every path, kind, mode, link target and content, to compare two machines by.
tree_digest() {
  (cd "$1" && find . -mindepth 1 -printf '%P\t%y\t%m\t%l\n' | LC_ALL=C sort &&
    find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) | sha256sum | cut -c1-64
}

# Names a finished tree: its marker stands beside it, never inside, because the tree is what ships.
finish() {
  local staging=$1 final=$2
  chmod -R u+rwX,go+rX,go-w "$staging"
  rm -rf "$final"
  mkdir -p "$(dirname "$final")"
  mv "$staging" "$final"
  printf '%s files  %s bytes  sha256 %s\n' \
    "$(find "$final" -type f | wc -l)" \
    "$(find "$final" -type f -printf '%s\n' | awk '{ s += $1 } END { print s + 0 }')" \
    "$(tree_digest "$final")" >"$final.complete"
}

node_red() {
  local version=$1 final=$inputs/node-red/$1 work=$inputs/.work/node-red-$1
  if [ ! -f "$final.complete" ]; then
    rm -rf "$work"
    mkdir -p "$work"
    printf '{ "name": "node-red-site", "private": true }\n' >"$work/package.json"
    (cd "$work" && npm install --ignore-scripts --omit=dev --no-audit --no-fund --no-package-lock \
      --loglevel=error --save-exact --before="$npm_before" "node-red@$version" </dev/null >&2)
    # npm's own record of how it installed: not part of the app, and it names the registry's host.
    rm -f "$work/node_modules/.package-lock.json" "$work/package-lock.json"
    finish "$work" "$final"
  fi
  echo "node-red $version  $(cat "$final.complete")"
}

ruff() {
  local version=$1 final=$inputs/ruff/$1 work=$inputs/.work/ruff-$1
  if [ ! -f "$final.complete" ]; then
    rm -rf "$work"
    mkdir -p "$work/wheel" "$work/tree/bin"
    python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$work/wheel" "ruff==$version" </dev/null >&2
    python3 - "$work" <<'PY'
import glob, os, sys, zipfile
work = sys.argv[1]
(wheel,) = glob.glob(f"{work}/wheel/*.whl")
with zipfile.ZipFile(wheel) as archive:
    (name,) = [n for n in archive.namelist() if n.endswith(".data/scripts/ruff")]
    with open(f"{work}/tree/bin/ruff", "wb") as out:
        out.write(archive.read(name))
os.chmod(f"{work}/tree/bin/ruff", 0o755)
PY
    finish "$work/tree" "$final"
    rm -rf "$work"
  fi
  echo "ruff $version  $(cat "$final.complete")"
}

# What a bare machine has beyond the essential packages. The name of the file says what is in it.
debian=bookworm debian_packages=systemd,systemd-sysv,dbus
debian() {
  local final=$inputs/debian/$debian-${debian_packages//,/-}-$(dpkg --print-architecture).tar
  if [ ! -f "$final" ]; then
    mkdir -p "$inputs/debian"
    mmdebstrap --quiet --variant=minbase --include="$debian_packages" "$debian" "$final.part.tar" >&2
    mv "$final.part.tar" "$final"
  fi
  echo "debian $debian  $(wc -c <"$final") bytes"
}

want=${1:-all}
case $want in
  all | node-red | ruff | debian) ;;
  *) echo "usage: tests/fetch-inputs.sh [all|node-red|ruff|debian]" >&2; exit 2 ;;
esac
mkdir -p "$inputs"
wants() { [ "$want" = all ] || [ "$want" = "$1" ]; }
if wants node-red; then
  for version in 4.1.10 4.1.11 4.1.14; do node_red "$version"; done
fi
if wants ruff; then
  for version in 0.17.1 0.17.2 0.17.4; do ruff "$version"; done
fi
if [ "$want" = debian ] || { [ "$want" = all ] && [ "$(id -u)" -eq 0 ] && command -v mmdebstrap >/dev/null; }; then
  debian
fi
rm -rf "$inputs/.work"
