#!/usr/bin/env bash
# Builds mf2c and runs an agent in development mode, with its data in ./data. Safe to run again and again.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

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
  scripts/run.sh --api 127.0.0.1:9443
  scripts/run.sh --debug --log-level debug
END
}

say() { printf '%s\n' "$*"; }
step() { printf '==> %s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    (($# == 0)) || printf '       %s\n' "$@" >&2
    exit 1
}

# ---------------------------------------------------------------------------------------------- what building needs

# Whether a C program compiles: a compiler without the system's headers is not enough.
c_compiler_works() {
    command -v "${CC:-cc}" >/dev/null && printf '#include <stdio.h>\nint main(void) { return 0; }\n' |
        "${CC:-cc}" -x c - -o /dev/null 2>/dev/null
}

# install PACKAGE... : installs Debian packages, as root or by sudo.
install() {
    local as_root=()
    command -v apt-get >/dev/null ||
        fail "cannot install $*: there is no apt-get here" "Install them with this system's own tool, then run this again."
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            fail "cannot install $*: this is not root, and there is no sudo" "As root: apt-get install $*"
        as_root=(sudo)
        say "    sudo may ask for your password"
    fi
    if ! { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$@"; }; then
        fail "could not install $*" "Try it by hand: apt-get install $*"
    fi
}

need_packages() {
    local missing=()
    if ! c_compiler_works; then
        step "A C compiler is missing; the cryptography and compression libraries are built with it"
        missing+=(gcc libc6-dev)
    fi
    if ! command -v curl >/dev/null; then
        step "curl is missing; the examples at the end use it"
        missing+=(curl ca-certificates)
    fi
    ((${#missing[@]} == 0)) || install "${missing[@]}"
}

need_rust() {
    local wanted found
    command -v cargo >/dev/null || PATH="$PATH:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin"
    command -v cargo >/dev/null ||
        fail "Rust is missing" "Install it from https://rustup.rs, open a new shell, then run this again."
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    found=$(cargo --version | cut -d ' ' -f 2)
    [[ $(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -n 1) == "$wanted" ]] ||
        fail "Rust $found is too old; $wanted or newer is needed" "Update it: rustup update stable"
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

# Refuses to start where somebody else listens already. What a configuration file says, the agent itself will check.
port_is_free() {
    local address host port
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
        fail "port $port is in use: another program, or another agent, listens on $address" \
            "Choose another: scripts/run.sh --api ${address%:*}:$((port < 65000 ? port + 1000 : port - 1000))"
    fi
}

# try_next URL : what to do now that the agent answers.
try_next() {
    local api=${1%/} admin="-H 'slipstream-authn-info: internal ADMIN'"
    api=${api/0.0.0.0/127.0.0.1} api=${api/\[::\]/[::1]}
    cat <<END

The agent runs. Try next, in another terminal (-k accepts the certificate that it made for itself):

  curl -k $api/cloud-entry-point
  curl -k $admin $api/device
  curl -k $admin '$api/device-dynamic?\$last=1'
  curl -k $admin -G $api/device --data-urlencode '\$filter=memory>1024'

Ctrl-C stops it.

END
}

stop() {
    stopping=true
    kill -TERM "$agent" 2>/dev/null || true
}

# run ARGUMENT... : runs the agent until it ends, and says what to try once it is ready.
run() {
    local fifo_dir line status=0
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
        [[ $line != "ready https://"* ]] || try_next "${line#ready }"
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
    if [[ $build_only == false ]]; then
        port_is_free "${arguments[@]}"
        if ! flag --data-dir "${arguments[@]}" >/dev/null && [[ -z ${MF2C_DATA_DIR:-} ]]; then
            arguments+=(--data-dir ./data)
        fi
    fi
    need_packages
    need_rust
    build "$profile"
    if [[ $build_only == true ]]; then
        say "Built: $binary"
    else
        step "Starting an agent in development mode"
        run "${arguments[@]}"
    fi
}

main "$@"
