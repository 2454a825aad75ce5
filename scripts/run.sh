#!/usr/bin/env bash
# Builds mf2c and runs an agent in development mode, with its data in ./data. Safe to run again and again.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh

usage() {
    cat <<'END'
Builds mf2c and runs an agent in development mode in the foreground, with its data in ./data.

Usage: scripts/run.sh [--build-only] [--debug] [FLAGS FOR THE AGENT]

  --build-only   build, and stop there
  --debug        build without optimisation: faster to build, slower to run
  --help         print this

Everything else goes to the agent; `mf2c agent --help` explains its flags.

Examples:
  scripts/run.sh
  scripts/run.sh --api 127.0.0.1:9443 --data-dir ./data2    a second agent beside the first
  scripts/run.sh --debug --log-level debug
END
}

step() { printf '==> %s\n' "$*"; }

# ---------------------------------------------------------------------------------------------- what building needs

need_packages() {
    local missing=()
    if ! compiles c "${CC:-cc}" stdio.h; then
        step "A C compiler is missing; the cryptography and compression libraries are built with it"
        missing+=(gcc libc6-dev)
    fi
    if ! command -v make >/dev/null; then
        step "make is missing; the allocator is built with it"
        missing+=(make)
    fi
    if ! command -v curl >/dev/null; then
        step "curl is missing; the examples at the end use it"
        missing+=(curl ca-certificates)
    fi
    ((${#missing[@]} == 0)) || install "${missing[@]}"
}

# ------------------------------------------------------------------------------------------------------------ build

# build PROFILE : sets `binary`.
build() {
    local flags=()
    [[ $1 == debug ]] || flags=(--release)
    step "Building mf2c ($1); the first time takes some minutes"
    cargo build "${flags[@]}" --package mf2c-agent --bin mf2c || fail "the build failed; the reason stands above"
    binary=${CARGO_TARGET_DIR:-target}/$1/mf2c
    [[ -x $binary ]] || fail "the build is done, but there is no $binary" "Is another target directory configured?"
}

# -------------------------------------------------------------------------------------------------------------- run

# flag NAME ARGUMENT... : prints the last value of a flag among the arguments, if it is there.
flag() {
    local name=$1 value="" given=1
    shift
    while (($# > 0)); do
        case $1 in
            "$name") value=${2-} given=0 ;;
            "$name="*) value=${1#*=} given=0 ;;
        esac
        shift
    done
    printf '%s' "$value"
    return "$given"
}

# Lets the program itself refuse flags that it does not know, before anything else is looked at: with --help it does
# nothing but read what stands before.
flags_are_known() {
    local status=0
    "$binary" agent --dev "$@" --help >/dev/null || status=$?
    ((status == 0)) || exit "$status"
}

# Refuses to start where somebody else listens already. What a configuration file says, the agent itself will check.
port_is_free() {
    local address host port number=2
    address=$(flag --api "$@") || address=${MF2C_API_LISTEN:-}
    if [[ -z $address ]] && { flag --config "$@" >/dev/null || [[ -n ${MF2C_CONFIG:-} ]]; }; then
        return
    fi
    address=${address:-127.0.0.1:8443}
    host=${address%:*} port=${address##*:}
    host=${host#[} host=${host%]}
    case $host in
        0.0.0.0) host=127.0.0.1 ;;
        ::) host=::1 ;;
    esac
    [[ $port =~ ^[0-9]+$ && $port != 0 ]] || return 0
    if (exec 3<>"/dev/tcp/$host/$port") 2>/dev/null; then
        # The socket is there while an agent runs on that directory.
        while [[ -S ./data$number/control.sock ]]; do ((number += 1)); done
        fail "port $port is in use: another program, or another agent, listens on $address" \
            "Choose another, with a data directory of its own:" \
            "scripts/run.sh --api ${address%:*}:$((port < 64000 ? port + 1000 : port - 1000)) --data-dir ./data$number"
    fi
}

# absolute PATH : the path, good in any folder and quoted for the shell.
absolute() {
    local path=${1#./}
    [[ $path == /* ]] || path=$PWD/$path
    printf '%q' "$path"
}

# try_next URL DATA_DIR : what to do now that the agent answers.
try_next() {
    local api=${1%/} program data admin="-H 'slipstream-authn-info: internal ADMIN'"
    api=${api/0.0.0.0/127.0.0.1} api=${api/\[::\]/[::1]}
    program=$(absolute "$binary") data=$(absolute "$2")
    cat <<END

The agent runs. Try next, in another terminal:

  $program login ${api%/api} --user admin      # with the password of the first start
  $program status
  $program query device

Or with curl (-k accepts the certificate that it made for itself):

  curl -k $api/cloud-entry-point
  curl -k -g $admin '$api/device?\$select=os,arch,memory,storage'
  curl -k $admin '$api/device-dynamic?\$last=1'
  curl -k $admin -G $api/device --data-urlencode '\$filter=memory>1024'
  curl -k $admin -H 'content-type: application/json' $api/service \\
       -d '{"name": "hello", "exec": "hello-world", "exec_type": "docker", "agent_type": "normal"}'

The program is $program; this makes a backup while the agent runs:

  $program backup mf2c.backup --data-dir $data

Ctrl-C stops it.

END
}

stop() {
    stopping=true
    kill -TERM "$agent" 2>/dev/null || true
}

# run ARGUMENT... : runs the agent until it ends, and says what to try once it is ready.
run() {
    local fifo_dir line data_dir status=0
    data_dir=$(flag --data-dir "$@") || data_dir=$MF2C_DATA_DIR
    fifo_dir=$(mktemp -d)
    mkfifo "$fifo_dir/out"
    stopping=false
    # In a process group of its own, so that Ctrl-C reaches the agent once, through this script.
    set -m
    "$binary" agent --dev "$@" >"$fifo_dir/out" </dev/null &
    agent=$!
    set +m
    trap stop INT TERM HUP
    exec 3<"$fifo_dir/out"
    rm -r "$fifo_dir"
    while IFS= read -r line <&3; do
        say "$line"
        [[ $line != "ready https://"* ]] || try_next "${line#ready }" "$data_dir"
    done
    wait "$agent" || status=$?
    # 128 and the signal's number: stopped before it could say that it ends well.
    if [[ $stopping == true ]] && ((status == 0 || status == 130 || status == 143)); then
        say "The agent has stopped. Its data are kept; run scripts/run.sh again to go on where it was."
    elif ((status == 0)); then
        say "The agent has ended."
    else
        fail "the agent ended with status $status; the reason stands above"
    fi
}

main() {
    local profile=release build_only=false arguments=()
    while (($# > 0)); do
        case $1 in
            --build-only) build_only=true ;;
            --debug) profile=debug ;;
            -h | --help)
                usage
                exit 0
                ;;
            --)
                shift
                arguments+=("$@")
                break
                ;;
            *) arguments+=("$1") ;;
        esac
        shift
    done
    need_packages
    need_rust
    build "$profile"
    if [[ $build_only == true ]]; then
        say "Built: $binary"
    else
        flags_are_known "${arguments[@]}"
        port_is_free "${arguments[@]}"
        if ! flag --data-dir "${arguments[@]}" >/dev/null && [[ -z ${MF2C_DATA_DIR:-} ]]; then
            arguments+=(--data-dir ./data)
        fi
        step "Starting an agent in development mode"
        run "${arguments[@]}"
    fi
}

main "$@"
