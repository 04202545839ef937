#!/bin/sh
# npm run ok: format, lint with types, tsc, unit and golden tests, side by side. Prints what is wrong and one line.
set -eu
cd "$(dirname "$0")/.."
. .dev/modules.sh
began=$(date +%s)
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
trap 'exit 130' INT TERM

part() { # NAME COMMAND…
  name=$1
  shift
  { "$@" >"$logs/$name" 2>&1 || echo $? >"$logs/$name.failed"; } &
}
part format biome format .
part lint oxlint --type-aware --deny-warnings
part types tsc --noEmit -p .
part tests bun test --timeout 30000 test/unit test/golden
wait

wrong=
for name in format lint types tests; do
  [ -f "$logs/$name.failed" ] || continue
  wrong="$wrong $name"
  echo "── $name"
  # Of the tests only what failed: bun prints a line for each that passed.
  if [ "$name" = tests ]; then grep -v '^(pass)' "$logs/tests"; else cat "$logs/$name"; fi
done
passed=$(sed -n 's/^ *\([0-9][0-9]*\) pass$/\1/p' "$logs/tests")
echo "ok:${wrong:+ wrong:}${wrong:- format, lint, types, ${passed:-0} tests} ($(($(date +%s) - began)) s)"
[ -z "$wrong" ]
