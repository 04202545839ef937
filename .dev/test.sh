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
contain=
if [ "$(id -u)" = 0 ] && unshare --mount --pid --fork --mount-proc --uts --ipc true 2>/dev/null; then
  contain="unshare --mount --pid --fork --kill-child --mount-proc --uts --ipc"
fi
status=0
# shellcheck disable=SC2086
$contain bash -c 'bun .dev/suites.ts "$@"; exit $?' suites "$@" || status=$?
# 0 and 1 are what suites.ts ends with, behind its own closing line.
[ "$status" -gt 1 ] || counted=yes
exit "$status"
