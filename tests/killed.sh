#!/usr/bin/env bash
# Kills the recorder ROUNDS times while it changes a target with a ledger of its own: tests/killed.sh ROUNDS [SEED]
#
# After each time the ledger has to equal the log. tests/records has the output of long runs.
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: $0 ROUNDS [SEED]" >&2; exit 2; }
cd "$(dirname "$0")/.."
export KILL_ROUNDS=$1 KILL_SEED=${2:-1}
exec cargo test --locked -p provost --test stories -- --exact --nocapture \
  killed::ledger_and_log_say_the_same_however_often_the_recorder_is_killed
