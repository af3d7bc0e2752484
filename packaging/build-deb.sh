#!/usr/bin/env bash
# Builds both Debian packages and prints their paths.
#
#   packaging/build-deb.sh [--profile dev|release] [--version VERSION] [--out DIR]
#
# `release` is what is given away: each program built by itself, as small as it gets. `dev` takes the
# programs that the tests use, so that CI and the machine test need no second build; it is never given
# away. Needs cargo-deb (3.8.0), dpkg-dev, gzip, and for dev `strip`.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022

profile=release version='' out=target/debian pack=()
while [ $# -gt 0 ]; do
  case $1 in
    --profile | --version | --out)
      [ $# -ge 2 ] || { echo "$1 needs a value" >&2; exit 2; }
      declare "${1#--}=$2"
      shift 2
      ;;
    *) echo "usage: packaging/build-deb.sh [--profile dev|release] [--version VERSION] [--out DIR]" >&2; exit 2 ;;
  esac
done
plain=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' Cargo.toml)
: "${version:=$plain-1}"

target=${CARGO_TARGET_DIR:-target}
stage=target/packaging
rm -rf "$stage"
mkdir -p "$stage/sanaga-agent" "$stage/sanaga" "$out"

# The same packages together as the tests build them, or cargo would choose other features and build
# everything again.
dev_build() { cargo build --locked --quiet --bins -p sanaga-agent -p sanaga-controller -p sanaga-tests; }

case $profile in
  dev)
    pack=(--fast)
    dev_build
    for program in sanaga-agent sanaga; do
      strip --strip-unneeded -o "$stage/$program/$program" "$target/debug/$program"
    done
    ;;
  release)
    for pair in agent:sanaga-agent controller:sanaga; do
      cargo build --locked --quiet --release -p "sanaga-${pair%:*}"
      cp "$target/release/${pair#*:}" "$stage/${pair#*:}/"
    done
    dev_build
    ;;
  *) echo "no profile \`$profile\`" >&2; exit 2 ;;
esac
"$target/debug/pages" "$stage"

units='sanaga-agent-helper.service sanaga-agent.service'
cp packaging/systemd/sanaga-agent*.service "$stage/sanaga-agent/"
cp packaging/systemd/sanaga.service "$stage/sanaga/"

for pair in agent:sanaga-agent controller:sanaga; do
  folder=packaging/deb/${pair%:*} name=${pair#*:}
  mkdir "$stage/$name/scripts"
  for script in postinst prerm postrm; do
    sed "s|@UNITS@|'$units'|" "$folder/$script" >"$stage/$name/scripts/$script"
  done
  cp "$folder/lintian-overrides" "$stage/$name/"
  sed -e "s|@PACKAGE@|$name|" -e "s|@VERSION@|$version|" packaging/deb/changelog >"$stage/$name/changelog"
  gzip -9nf "$stage/$name/changelog" "$stage/$name"/man/*.1
  # From there the sources' assets are found as `../target/packaging/…`.
  cargo deb --quiet --no-build --no-strip "${pack[@]}" --package "sanaga-${pair%:*}" --deb-version "$version" --output "$out/" >/dev/null
done
for name in sanaga-agent sanaga; do
  echo "$out/${name}_${version}_$(dpkg --print-architecture).deb"
done
