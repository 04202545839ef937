# Sourced: installs node_modules when it is missing or older than the lockfile, goes to the repository's root and puts
# the pinned tools in PATH (`bun` is .dev/bun), so nobody has to type `npm install`.
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
stamp=node_modules/.package-lock.json # npm writes it last
if [ ! -f "$stamp" ] || [ package-lock.json -nt "$stamp" ]; then
  command -v npm >/dev/null || { echo "tele: npm is missing: install Node 20 or newer" >&2; exit 1; }
  echo "tele: installing node modules" >&2
  # Not `npm ci`: it refuses a lockfile without the packages of platforms that a registry does not carry. Versions and
  # checksums are those of the lockfile all the same, and --no-save leaves it as it is.
  npm install --no-save --no-progress --loglevel=error >&2
  touch "$stamp"
fi
PATH="$root/.dev:$root/node_modules/.bin:$PATH"
export PATH
