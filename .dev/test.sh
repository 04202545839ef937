#!/bin/sh
# npm test: modules, Debian packages the tests need, dist/tele, then every suite. The last line is `N passed, N failed`.
set -eu
cd "$(dirname "$0")/.."
trap '[ $? -eq 0 ] || [ -n "${counted:-}" ] || echo "0 passed, 1 failed"' EXIT
. .dev/with-modules.sh
sh .dev/packages.sh
# Tests of the shipped file must not run against yesterday's.
bun .dev/build.ts
counted=yes
bun .dev/suites.ts "$@"
