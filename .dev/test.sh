#!/bin/sh
# npm test [-- SUITE…]: modules, Debian packages the tests need, dist/tele, then every suite. The last line of the output
# is `N passed, N failed`, from the runners' own counts.
set -eu
cd "$(dirname "$0")/.."
counted=
trap '[ -n "$counted" ] || echo "0 passed, 1 failed"' EXIT
. .dev/modules.sh
sh .dev/packages.sh
# Tests of the shipped file must not run against yesterday's.
bun .dev/build.ts

# The tests build sandboxes as root, wrong ones too. Below namespaces of their own, a mistake that mounts over / or kills
# every process ends this run and not this machine. bash is PID 1 there and reaps what daemons leave behind.
# Some of them run as an ordinary user, who may not be let into the directory where this project lies: there it is seen at
# a place that is open to all.
status=0
if [ "$(id -u)" = 0 ] && unshare --mount --pid --fork --mount-proc --uts --ipc true 2>/dev/null; then
  place=$(mktemp -d)
  trap 'rmdir "$place"; [ -n "$counted" ] || echo "0 passed, 1 failed"' EXIT
  chmod 755 "$place"
  export place
  unshare --mount --pid --fork --kill-child --mount-proc --uts --ipc bash -c '
    mount --bind . "$place" && cd "$place" && PATH="$place/.dev:$place/node_modules/.bin:$PATH" && bun .dev/suites.ts "$@"
    exit $?' suites "$@" || status=$?
else
  bun .dev/suites.ts "$@" || status=$?
fi
# 0 and 1 are what suites.ts ends with, behind its own closing line.
[ "$status" -gt 1 ] || counted=yes
exit "$status"
