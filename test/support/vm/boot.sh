#!/bin/sh
# boot.sh [-m MiB] [-c CPUS] [-t SECONDS] [--] COMMAND: runs a shell command in a guest that has this host's files (nothing
# it writes reaches them), cgroup v2 with every controller and no network but its own loopback. Prints the command's output and
# exits with its status; 125 when the guest itself failed. TELE_VM_ACCEL=kvm where the machine has a usable one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
memory=2048 cpus=2 seconds=900
while [ $# -gt 0 ]; do
  case $1 in
    -m) memory=$2; shift 2 ;;
    -c) cpus=$2; shift 2 ;;
    -t) seconds=$2; shift 2 ;;
    --) shift; break ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || { echo "usage: boot.sh [-m MiB] [-c CPUS] [-t SECONDS] [--] COMMAND" >&2; exit 125; }
[ "$(id -u)" = 0 ] || { echo "tele-vm: sharing the host's files takes root" >&2; exit 125; }
cache=$(sh "$here/build.sh") || exit 125

run=$(mktemp -d "$cache/run.XXXXXX")
mkfifo "$run/output"
children=
cleanup() {
  : <>"$run/output"
  # shellcheck disable=SC2086
  [ -z "$children" ] || kill $children 2>/dev/null || true
  wait
  rm -rf "$run"
}
trap cleanup EXIT
trap 'exit 125' INT TERM HUP

cp "$here/guest.sh" "$run/guest.sh"
{ echo "cd '$(pwd)' || exit 125"; printf '%s\n' "$*"; } > "$run/command"
truncate -s 64M "$run/disk"
mkdir "$run/socket"
: > "$run/status"

# The daemon serves all it sees, so it sees everything read-only, but for the directory of its socket and a /run of its own
# for its lock; guests have their own /run anyway.
for daemon in /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd; do [ -x "$daemon" ] && break; done
export daemon run
unshare --mount --propagation private sh -c '
  mount -t tmpfs tmpfs /run
  mount --bind "$run/socket" "$run/socket"
  while read -r _ point _; do
    case $point in
      /proc | /run | "$run/socket") ;;
      *) mount -o remount,bind,ro "$(printf %b "$point")" 2>/dev/null || true ;;
    esac
  done < /proc/self/mounts
  exec "$daemon" --socket-path="$run/socket/files" --rlimit-nofile=0 -o source=/ -o sandbox=chroot -o cache=always
' > "$run/daemon.log" 2>&1 &
children=$!
tries=0
until [ -S "$run/socket/files" ]; do
  tries=$((tries + 1))
  [ $tries -lt 200 ] || { echo "tele-vm: virtiofsd does not start:" >&2; cat "$run/daemon.log" >&2; exit 125; }
  sleep 0.05
done

cat "$run/output" &
reader=$!
accel=${TELE_VM_ACCEL:-tcg,thread=multi}
timeout "$seconds" qemu-system-x86_64 -accel "$accel" -cpu max -M q35 -smp "$cpus" -m "$memory" \
  -object "memory-backend-memfd,id=ram,size=${memory}M,share=on" -machine memory-backend=ram \
  -display none -nodefaults -no-user-config -no-reboot -nic none \
  -kernel "$cache/vmlinux" -initrd "$cache/initrd" \
  -append "console=ttyS0 quiet panic=-1 TELE_RUN=$run TELE_KERNEL=$cache/kernel" \
  -serial "file:$run/console" \
  -chardev "socket,id=files,path=$run/socket/files" -device vhost-user-fs-pci,chardev=files,tag=host,queue-size=512 \
  -drive "file=$run/disk,format=raw,if=virtio" \
  -device virtio-rng-pci -device virtio-serial-pci \
  -chardev "file,id=output,path=$run/output" -device virtserialport,chardev=output,name=output \
  -chardev "file,id=status,path=$run/status" -device virtserialport,chardev=status,name=status \
  </dev/null >"$run/qemu.log" 2>&1 &
machine=$!
children="$children $machine" # in the background, for a shell takes its traps only while it waits
code=0
wait "$machine" || code=$?
: <>"$run/output" # when QEMU never opened it, the reader is still waiting for somebody to do so
wait "$reader" || true
status=$(cat "$run/status")
if [ -z "$status" ]; then
  [ "$code" != 124 ] || echo "tele-vm: the guest was stopped after $seconds s" >&2
  echo "tele-vm: no exit status from the guest (QEMU ended with $code):" >&2
  tail -n 20 "$run/qemu.log" "$run/daemon.log" "$run/console" >&2 || true
  exit 125
fi
exit "$status"
