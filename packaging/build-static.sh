#!/usr/bin/env bash
# Builds both programs as static binaries (musl) for x86_64 and aarch64, with cargo-zigbuild and the zig
# of PyPI, and runs them: under qemu-user where the processor is another one.
#
#   packaging/build-static.sh [--out DIR] [TARGET…]
#
# Rust's standard library for musl comes with `rustup target add TARGET`. Where that cannot be had, it is
# built from its source (`rustup component add rust-src`, Debian's rust-src), which must be of the very
# version of the compiler. Where neither is there, this ends with 77 and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

zigbuild=0.24.1 zig=0.15.2
out=target/static
if [ "${1:-}" = --out ]; then
  out=$2
  shift 2
fi
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(x86_64-unknown-linux-musl aarch64-unknown-linux-musl)

has_std() { compgen -G "$(rustc --print target-libdir --target "$1")/libstd-*.rlib" >/dev/null; }
build_std=()
for target in "${targets[@]}"; do
  has_std "$target" && continue
  if [ ! -f "$(rustc --print sysroot)/lib/rustlib/src/rust/library/std/Cargo.toml" ]; then
    echo "build-static: no standard library for $target and no rust-src: rustup target add ${targets[*]}" >&2
    exit 77
  fi
  build_std=(-Zbuild-std=std,panic_abort)
  export RUSTC_BOOTSTRAP=1
done

if ! python3 -m ziglang version 2>/dev/null | grep -qx "$zig"; then
  python3 -m venv target/zig
  target/zig/bin/pip install --quiet "ziglang==$zig"
  PATH=$PWD/target/zig/bin:$PATH
fi
if ! cargo zigbuild --version 2>/dev/null | grep -qx "cargo-zigbuild $zigbuild"; then
  CARGO_TARGET_DIR=$(mktemp -d) cargo install --locked --quiet "cargo-zigbuild@$zigbuild"
fi

# Runs a program as the machine that it is for would.
run() {
  local target=$1
  shift
  case $target in
    "$(uname -m)"-*) "$@" ;;
    aarch64-*) qemu-aarch64 "$@" ;;
    *) qemu-x86_64 "$@" ;;
  esac
}

# What a static binary must show: that it starts, looks at its machine, founds, serves and enrols.
check() {
  local target=$1 folder=$2 home token server code=0
  for program in sanaga-agent sanaga; do
    if readelf --program-headers "$folder/$program" | grep -q INTERP; then
      echo "build-static: $folder/$program is not static" >&2
      return 1
    fi
    run "$target" "$folder/$program" --version
  done
  home=$(mktemp -d)
  export SANAGA_HOME=$home/controller
  echo 'a passphrase for tests only' >"$home/passphrase"
  run "$target" "$folder/sanaga" init --url https://127.0.0.1:18443 --person ada --passphrase-file "$home/passphrase"
  run "$target" "$folder/sanaga" serve --listen 127.0.0.1:18443 &
  server=$!
  for _ in $(seq 100); do
    token=$(run "$target" "$folder/sanaga" enroll token --site depot --node small-1 --env dev 2>/dev/null | head -n 1) && break
    sleep 0.2
  done
  SANAGA_HOME=$home/agent run "$target" "$folder/sanaga-agent" enroll "$token" || code=1
  # It finds that no agent runs, and says so: 1.
  SANAGA_HOME=$home/agent run "$target" "$folder/sanaga-agent" doctor || [ $? -eq 1 ] || code=1
  kill "$server"
  wait "$server" || code=1
  rm -rf "$home"
  return "$code"
}

for target in "${targets[@]}"; do
  for package in sanaga-agent sanaga-controller; do
    cargo zigbuild --locked --quiet --release "${build_std[@]}" --target "$target" -p "$package"
  done
  folder=$out/${target%%-*}
  mkdir -p "$folder"
  cp "${CARGO_TARGET_DIR:-target}/$target/release/sanaga" "${CARGO_TARGET_DIR:-target}/$target/release/sanaga-agent" "$folder/"
  check "$target" "$folder"
  (cd "$folder" && wc -c sanaga sanaga-agent && sha256sum sanaga sanaga-agent >SHA256SUMS)
done
