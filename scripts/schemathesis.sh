#!/usr/bin/env bash
# Lets schemathesis hunt for answers that the OpenAPI document does not allow, and for server errors.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh

# The version that is used; another one makes other requests.
VERSION=4.32.5
venv=$PWD/target/python/schemathesis
reports=$PWD/target/schemathesis
# What it looks for in each answer.
CHECKS=not_a_server_error,response_schema_conformance,status_code_conformance,content_type_conformance,response_headers_conformance
# The callers that it plays, and what each sends: the time is shared among them.
CALLERS=(administrator user session nobody)

usage() {
    cat <<'END'
Starts an agent in development mode on loopback, with its data in a temporary directory, and lets schemathesis make up
requests from its OpenAPI document: as an administrator and as a user by the header of development, as an administrator
who has signed in, and as nobody. Each answer must be one that the document describes, and no server error. Ends with
status 0 if all are.

Usage: scripts/schemathesis.sh [MINUTES] [--seed NUMBER]

  MINUTES         how long it tries, in whole minutes; 1 if left out
  --seed NUMBER   repeat the requests of a run before
  --help          print this

What is found goes to target/schemathesis/, one report for each caller. Python 3.10 or newer with venv is needed;
schemathesis itself is installed into target/python/ the first time.
END
}

ended() {
    if [[ -n ${agent:-} ]]; then
        kill -KILL "$agent" 2>/dev/null || true
        wait "$agent" 2>/dev/null || true
    fi
    [[ -z ${place:-} ]] || rm -rf "$place"
}
trap ended EXIT

need_schemathesis() {
    command -v python3 >/dev/null || fail "python3 is missing" "apt-get install python3 python3-venv"
    if [[ $("$venv/bin/schemathesis" --version 2>/dev/null) != *" $VERSION" ]]; then
        rm -rf "$venv"
        python3 -m venv "$venv" || fail "python3 cannot make a virtual environment" "apt-get install python3-venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$VERSION" ||
            fail "could not install schemathesis $VERSION"
    fi
}

# Starts the agent; sets `agent`, its process id, and `api`, its address.
start() {
    local line
    place=$(mktemp -d)
    mkfifo "$place/out"
    (umask 077 && printf 'administrator of one run' >"$place/password")
    MF2C_AUTH_ADMIN_PASSWORD_FILE=$place/password MF2C_DEVICE_ENABLED=false \
        "${CARGO_TARGET_DIR:-target}/debug/mf2c" agent --dev --data-dir "$place/data" --api 127.0.0.1:0 \
        --log-format json >"$place/out" 2>"$place/log" </dev/null &
    agent=$!
    exec 3<"$place/out"
    IFS= read -r -t 60 line <&3 || true
    [[ ${line:-} == "ready https://"* ]] || fail "the agent did not start" "$(tail -n 5 "$place/log")"
    api=${line#ready }
}

# sign_in : prints the cookie of a new session.
sign_in() {
    local form='{"sessionTemplate": {"href": "session-template/internal", "username": "admin", "password": "'
    curl --silent --insecure --dump-header - --output /dev/null --header 'content-type: application/json' \
        --data "$form$(<"$place/password")\"}}" "$api/session" | sed -n 's/^set-cookie: \([^;]*\).*/\1/Ip'
}

# hunt CALLER SECONDS : one run as this caller. Fails if something is found.
hunt() {
    local caller=$1 seconds=$2 headers=() status=0
    case $caller in
        administrator) headers=(--header "slipstream-authn-info: internal ADMIN") ;;
        session) headers=(--header "cookie: $(sign_in)") ;;
        user) headers=(--header "slipstream-authn-info: jane USER") ;;
    esac
    # It keeps a cache in the directory where it runs, which would carry one run's findings into the next.
    (
        cd "$place"
        rm -rf .schemathesis
        "$venv/bin/schemathesis" run "$api/openapi.json" --tls-verify false --checks "$CHECKS" --max-time "$seconds" \
            --continue-on-failure --suppress-health-check all --warnings off --request-timeout 20 "${seed[@]}" \
            "${headers[@]}"
    ) >"$reports/$caller.txt" 2>&1 || status=$?
    if kill -0 "$agent" 2>/dev/null; then
        tail -n 12 "$reports/$caller.txt" | cut -c 1-200
    else
        fail "the agent has ended" "$(tail -n 5 "$place/log" | cut -c 1-500)"
    fi
    return "$status"
}

main() {
    local minutes=1 caller failed=()
    seed=()
    while (($# > 0)); do
        case $1 in
            --seed)
                [[ ${2:-} =~ ^[0-9]+$ ]] || fail "--seed wants a number"
                seed=(--seed "$2")
                shift
                ;;
            -h | --help)
                usage
                exit 0
                ;;
            *)
                [[ $1 =~ ^[1-9][0-9]{0,2}$ ]] || fail "$1 is no number of minutes" "Usage: scripts/schemathesis.sh [MINUTES]"
                minutes=$1
                ;;
        esac
        shift
    done
    need_rust
    need_schemathesis
    cargo build --package mf2c-agent --bin mf2c --locked
    mkdir -p "$reports"
    start
    for caller in "${CALLERS[@]}"; do
        say ""
        say "==> as $caller, for $((minutes * 60 / ${#CALLERS[@]})) s"
        hunt "$caller" $((minutes * 60 / ${#CALLERS[@]})) || failed+=("$caller")
    done
    ((${#failed[@]} == 0)) || fail "something was found as ${failed[*]}" "Read target/schemathesis/, one file for each caller."
    say ""
    say "No server error, and no answer but those that the OpenAPI document describes."
}

main "$@"
