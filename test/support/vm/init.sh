#!/bin/busybox sh
# PID 1 of a guest's initrd: the host's files, read-only, below a layer in memory, as the new root; then guest.sh in it.
# TELE_RUN and TELE_KERNEL come from the kernel's command line: directories as the host names them.
b=/bin/busybox
die() { echo "tele-vm: $*" >/dev/console; $b poweroff -f; }
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do $b insmod "$module" || echo "tele-vm: no $module" >/dev/console; done

$b mount -t virtiofs -o ro host /host || die "the host's files cannot be mounted"
$b mount -t tmpfs -o size=75% tmpfs /memory
$b mkdir /memory/upper /memory/work
$b mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work overlay /root || die "no overlay"

for name in proc sys dev; do $b mount --move /$name /root/$name; done
$b mkdir -p /root/dev/pts /root/dev/shm /root/lib/modules
$b mount -t devpts -o mode=620,ptmxmode=666 devpts /root/dev/pts
$b mount -t tmpfs -o mode=1777 tmpfs /root/dev/shm
$b mount -t tmpfs -o mode=755 tmpfs /root/run
$b mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /root/sys/fs/cgroup || die "no cgroup v2"
$b mount --bind "/root$TELE_KERNEL/lib/modules" /root/lib/modules
exec $b switch_root /root /bin/sh "$TELE_RUN/guest.sh"
