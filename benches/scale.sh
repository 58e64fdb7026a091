#!/usr/bin/env bash
# What an organisation of PEOPLE people costs: benches/scale.sh PEOPLE prints one JSON object.
#
# Makes a repository of PEOPLE people, a tenth as many services, 300 roles that each have a condition and 4 targets, and
# another of a tenth of the people; docs/PERFORMANCE.md says what each figure means. SCALE names a program that is built
# already.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 PEOPLE" >&2; exit 2; }
cd "$(dirname "$0")/.."

if [ -n "${SCALE-}" ]; then
  exec "$SCALE" "$1"
fi
exec cargo bench --quiet -p provost --bench scale -- "$1"
