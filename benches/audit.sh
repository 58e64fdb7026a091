#!/usr/bin/env bash
# What the audit log costs: benches/audit.sh RECORDS prints one JSON object.
#
# Makes a log with 100,000 live files in $TMPDIR, records in groups of several sizes beside `git fast-import` of the very same
# commits, then fills the log to RECORDS and asks it; docs/PERFORMANCE.md says what each figure means. The aims are for
# 1,000,000 records: about 6 GB of disk and 15 minutes.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 RECORDS" >&2; exit 2; }
cd "$(dirname "$0")/.."

if [ -n "${AUDIT-}" ]; then
  exec "$AUDIT" "$1"
fi
exec cargo bench --quiet --locked -p provost-audit --bench audit -- "$1"
