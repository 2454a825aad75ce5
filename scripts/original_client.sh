#!/usr/bin/env bash
# Runs the tests of programs written for the original's server with the original's own Python client.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh

# The last version that was published.
VERSION=3.71.1
VENV=target/python/slipstream

usage() {
    cat <<'END'
Runs the tests of programs that were written for the original's server with slipstream-api, the original's own Python
client. Without this script the same tests run with what stands in for it: tests/clients/standin.py.

Usage: scripts/original_client.sh

Python 3 with venv is needed; slipstream-api is installed into target/python/ the first time.
END
}

main() {
    case ${1:-} in
        "") ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) fail "there is no option $1" "Usage: scripts/original_client.sh" ;;
    esac
    need_rust
    command -v python3 >/dev/null || fail "python3 is missing" "apt-get install python3 python3-venv"
    if ! "$VENV/bin/python" -c "import slipstream.api" 2>/dev/null; then
        rm -rf "$VENV"
        python3 -m venv "$VENV" || fail "python3 cannot make a virtual environment" "apt-get install python3-venv"
        "$VENV/bin/pip" install --quiet --disable-pip-version-check "slipstream-api==$VERSION" ||
            fail "could not install slipstream-api $VERSION"
    fi
    cargo build --package mf2c-agent --bin mf2c --locked
    MF2C_TEST_PYTHON=$PWD/$VENV/bin/python cargo test --package mf2c-tests --locked --test promises original_client
}

main "$@"
