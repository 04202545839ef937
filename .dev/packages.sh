#!/bin/sh
# Installs the Debian packages that tests (or, with `bench`, benchmarks) use: as root, once, and only what is missing.
# A package that cannot be installed is no error here: the test that needs it says so (test/support/needs.ts).
set -eu
packages="openssl curl strace binutils binutils-aarch64-linux-gnu qemu-user-static gcc libc6-dev zsh fish bubblewrap
  util-linux uidmap iproute2 procps tmux stress-ng"
[ "${1:-}" != bench ] || packages="$packages nginx-light nghttp2-client crun runc podman"

[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || exit 0
# Debian 12 has none.
if [ "${1:-}" = bench ] && apt-cache show nsjail >/dev/null 2>&1; then packages="$packages nsjail"; fi
missing=
for package in $packages; do
  case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
    *" installed") ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

echo "tele: installing Debian packages:$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Starting services is not wanted, only their programs.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
get() { apt-get -qq -o DPkg::Lock::Timeout=300 "$@" </dev/null >>"$log" 2>&1; }
get update || true
# shellcheck disable=SC2086
if ! get install -y --no-install-recommends $missing; then
  for package in $missing; do
    get install -y --no-install-recommends "$package" || echo "tele: no package $package: $(tail -n 1 "$log")" >&2
  done
fi
