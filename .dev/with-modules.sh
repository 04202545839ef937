#!/bin/sh
# Installs node_modules when it is missing or older than the lockfile, then runs the rest of the line with the pinned
# tools in PATH (`bun` is .dev/bun). Every script of package.json starts here, so nobody has to type `npm install`.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
stamp=node_modules/.package-lock.json # npm writes it last
if [ ! -f "$stamp" ] || [ package-lock.json -nt "$stamp" ]; then
  command -v npm >/dev/null || { echo "tele: npm is missing: install Node 20 or newer" >&2; exit 1; }
  echo "tele: installing node modules" >&2
  npm ci --no-progress --loglevel=error >&2
  touch "$stamp"
fi
PATH="$root/.dev:$root/node_modules/.bin:$PATH"
export PATH
[ $# -eq 0 ] || exec "$@"
