#!/bin/sh
# Runs the rest of the line with node_modules installed and the pinned tools in PATH.
set -eu
. "$(dirname "$0")/modules.sh"
exec "$@"
