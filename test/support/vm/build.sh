#!/bin/sh
# build.sh: makes what a guest boots from, out of Debian's packages, and prints the directory that holds it:
#   vmlinux   the cloud kernel, unpacked (QEMU starts it at once, without the compressed image's own loader)
#   initrd    busybox, the modules that reach the host's files, and init.sh
#   kernel/   the unpacked package, for further modules
# Everything stays in the cache; nothing goes into /boot or /lib/modules. Done once, and again when a script here changes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${TELE_VM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/tele-vm}

fail() { echo "tele-vm: $*" >&2; exit 1; }
[ "$(uname -m)" = x86_64 ] || fail "guests run the host's own programs, and only x86_64 ones are set up"

# Program and the package that has it.
missing=
while read -r program package; do
  command -v "$program" >/dev/null 2>&1 || missing="$missing $package"
done <<EOF
qemu-system-x86_64 qemu-system-x86
busybox busybox-static
cpio cpio
modprobe kmod
xz xz-utils
zstd zstd
lz4 lz4
EOF
apt() { apt-get -qq -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2; }
# Serves the host's files: a package of its own from Debian 13 on, part of QEMU's before.
[ -x /usr/libexec/virtiofsd ] || [ -x /usr/lib/qemu/virtiofsd ] || missing="$missing virtiofsd"
if [ -n "$missing" ]; then
  [ "$(id -u)" = 0 ] || fail "missing:$missing; install them, or run this as root"
  echo "tele-vm: installing Debian packages:$missing" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt update || true
  apt-cache show virtiofsd >/dev/null 2>&1 || missing=$(echo "$missing" | sed 's/ virtiofsd/ qemu-system-common/')
  # shellcheck disable=SC2086
  apt install -y --no-install-recommends $missing || fail "cannot install:$missing"
fi

stamp=$(cat "$here/build.sh" "$here/init.sh" | cksum)
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9 # one builds, the others wait and find it done
if [ "$(cat "$cache/stamp" 2>/dev/null)" = "$stamp" ]; then echo "$cache"; exit 0; fi

work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

newest() { apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1; }
package=$(newest)
[ -n "$package" ] || { apt update; package=$(newest); }
[ -n "$package" ] || fail "apt knows no package linux-image-cloud-amd64: are Debian's sources set up?"
(cd "$work" && apt -o APT::Sandbox::User=root download "$package") || fail "cannot download $package"
dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel"
[ -d "$work/kernel/lib" ] || ln -s usr/lib "$work/kernel/lib"
set -- "$work"/kernel/lib/modules/*
version=${1##*/}
depmod -b "$work/kernel" "$version"

# The boot protocol (Documentation/arch/x86/boot.rst) says where in the image the compressed kernel lies.
image=$work/kernel/boot/vmlinuz-$version
field() { od -An "-t$3" -j "$1" -N "$2" "$image" | tr -d ' '; }
start=$((($(field 497 1 u1) + 1) * 512 + $(field 584 4 u4)))
length=$(field 588 4 u4)
payload() { tail -c "+$((start + 1))" "$image" | head -c "$1"; }
case $(field "$start" 4 x1) in
  1f8b*) payload "$length" | gzip -dc ;;
  fd377a58) payload $((length - 4)) | xz -dc --single-stream ;; # after it comes the unpacked size, 4 bytes
  28b52ffd) payload $((length - 4)) | zstd -dc ;;
  02214c18) payload $((length - 4)) | lz4 -dc ;;
  *) fail "the kernel of $package is compressed in a way unknown here" ;;
esac > "$work/vmlinux"

tree=$work/tree
mkdir -p "$tree/bin" "$tree/dev" "$tree/proc" "$tree/sys" "$tree/modules" "$tree/host" "$tree/memory" "$tree/root"
cp -L "$(command -v busybox)" "$tree/bin/busybox"
cp "$here/init.sh" "$tree/init"
chmod 755 "$tree/init"
# In the order in which they depend on each other; what the kernel has built in is no file.
for module in virtio_pci virtio_console virtio_blk virtio_rng virtiofs overlay; do
  modprobe -d "$work/kernel" -S "$version" --show-depends "$module" 2>/dev/null || true
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' > "$work/modules"
number=100
while read -r file; do
  name=$(basename "$file")
  case $name in
    *.xz) xz -dc "$file" > "$tree/modules/$number-${name%.xz}" ;;
    *.zst) zstd -qdc "$file" > "$tree/modules/$number-${name%.zst}" ;;
    *) cp "$file" "$tree/modules/$number-$name" ;;
  esac
  number=$((number + 1))
done < "$work/modules"
(cd "$tree" && find . | cpio -o -H newc --quiet) > "$work/initrd"

rm -rf "$cache/kernel" "$cache/stamp"
mv "$work/kernel" "$work/vmlinux" "$work/initrd" "$cache/"
echo "$stamp" > "$cache/stamp"
echo "$cache"
