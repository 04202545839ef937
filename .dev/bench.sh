#!/bin/sh
# npm run bench [-- SECTION…]: modules, the programs to compare with, dist/tele, then test/bench/run.ts. Markdown on stdout.
set -eu
cd "$(dirname "$0")/.."
. .dev/modules.sh
[ "$(id -u)" = 0 ] || { echo "bench: namespaces and cgroups need root: sudo npm run bench" >&2; exit 1; }
sh .dev/packages.sh bench
bun .dev/build.ts >&2
exec bun test/bench/run.ts "$@"
