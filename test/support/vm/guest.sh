# PID 1 of a guest: runs the command that the host has put beside this file, sends output and exit status, switches off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export TELE_SCRATCH_DISK=/dev/vda # empty, 64 MiB, thrown away with the guest
for name in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do ln -sfn "/proc/self/${name#*:}" "/dev/${name%%:*}"; done
hostname tele-vm
ip link set lo up 2>/dev/null || ifconfig lo up

port() {
  for entry in /sys/class/virtio-ports/*; do
    [ "$(cat "$entry/name")" != "$1" ] || echo "/dev/${entry##*/}"
  done
}
# As systemd leaves a host: no processes in the root, which alone could have both them and controllers for its children.
mkdir -p /sys/fs/cgroup/init.scope
echo 1 > /sys/fs/cgroup/init.scope/cgroup.procs
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
  echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control
done

output=$(port output) status=$(port status)
setsid sh "$TELE_RUN/command" </dev/null >"$output" 2>&1
echo $? >"$status"
echo o >/proc/sysrq-trigger
while :; do sleep 1; done
