#!/usr/bin/env bash
# Checks everything: format, lints, licences, fuzz targets and all tests. Safe to run again and again.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh

# How long each fuzz target runs, in seconds: enough to see that it works, not to hunt.
FUZZ_SECONDS=10
# The version of the validator of OpenAPI documents, from PyPI.
OPENAPI_VALIDATOR=0.9.0

usage() {
    cat <<'END'
Checks everything: format, lints, licences, fuzz targets and all tests.

Usage: scripts/test.sh [--no-fuzz]

  --no-fuzz   leave the fuzz targets out; MF2C_TEST_FUZZ=0 does the same
  --help      print this

What is missing for that is installed (a C and C++ compiler, make, curl, openssl, docker.io, Go with Flocker's library, rustfmt, clippy,
cargo-fuzz, a validator of OpenAPI in target/), but for cargo-deny and cargo-nextest, which are used where they are.
Some tests need root, networks of their own (unshare, nsenter, ip, tc), systemd-analyze or a Docker engine (dockerd,
containerd, docker; each test starts one of its own). Where all of that is there, a
test that is left out is an error (MF2C_TEST_NO_SKIP=1); otherwise the last lines say which were left out, and why.
MF2C_TEST_CRASH_ROUNDS says how often agents are killed in the test of that; 100 where it does not.
END
}

# ------------------------------------------------------------------------------------------------------------ steps

name="" began=0
# The file with the tests that were left out; empty where none may be.
skipped=""

# step NAME : says what comes now, and how long the step before took.
step() {
    step_done
    name=$1 began=$SECONDS
    printf '\n==> %s\n' "$name"
}

step_done() {
    [[ -z $name ]] || printf '    %ss: %s\n' "$((SECONDS - began))" "$name"
    name=""
}

ended() {
    local status=$?
    ((status == 0)) || printf '\nFAILED after %ss%s\n' "$SECONDS" "${name:+: $name}" >&2
}
trap ended EXIT

# ------------------------------------------------------------------------------------------------ what testing needs

has_flocker_client() {
    command -v go >/dev/null && [[ -d /usr/share/gocode/src/github.com/ClusterHQ/flocker-go ]]
}

need_packages() {
    local missing=()
    compiles c "${CC:-cc}" stdio.h || missing+=(gcc libc6-dev)
    # The allocator is built with it.
    command -v make >/dev/null || missing+=(make)
    # libFuzzer is C++.
    [[ $fuzz == no ]] || compiles c++ "${CXX:-c++}" string || missing+=(g++)
    command -v curl >/dev/null || missing+=(curl ca-certificates)
    # The judge of what certificates hold.
    command -v openssl >/dev/null || missing+=(openssl)
    ((${#missing[@]} == 0)) || install "${missing[@]}"
    # The engine that tests of services start, each one of its own. Where it cannot be had, they are left out, and it is said.
    if ((EUID == 0)) && ! { command -v dockerd && command -v docker; } >/dev/null; then
        (install docker.io) || say "    docker.io could not be installed: tests that need an engine are left out"
    fi
    # A client of Flocker that others wrote, of which the same is true.
    if ((EUID == 0)) && ! has_flocker_client; then
        (install golang-go golang-github-clusterhq-flocker-go-dev) ||
            say "    Flocker's library for Go could not be installed: its test is left out"
    fi
}

need_tools() {
    need_rust
    local missing=()
    cargo fmt --version >/dev/null 2>&1 || missing+=(rustfmt)
    cargo clippy --version >/dev/null 2>&1 || missing+=(clippy)
    ((${#missing[@]} == 0)) || rustup component add "${missing[@]}" ||
        fail "could not install ${missing[*]}" "Install them with whatever installed Rust, then run this again."
    [[ $fuzz == no ]] || cargo fuzz --version >/dev/null 2>&1 || cargo install --locked --quiet cargo-fuzz ||
        fail "could not install cargo-fuzz" "Without it: scripts/test.sh --no-fuzz"
    say "    $(rustc --version), $(curl --version | head -n 1 | cut -d ' ' -f 1-2)"
}

# ------------------------------------------------------------------------------------------------------------ checks

# The benchmarks are no members of the workspace: whether what they are locked to is what the crates here need.
check_locks() {
    local manifest
    for manifest in benches/*/Cargo.toml; do
        cargo metadata --locked --format-version 1 --manifest-path "$manifest" >/dev/null ||
            fail "$(dirname "$manifest")/Cargo.lock is behind" "cargo update --workspace --manifest-path $manifest"
    done
}

check_licences() {
    if cargo deny --version >/dev/null 2>&1; then
        cargo deny --locked check licenses bans sources
    else
        say "    left out: cargo-deny is not installed (cargo install --locked cargo-deny)"
    fi
}

# Validates the OpenAPI document. A test compares the one that an agent serves with this file.
check_openapi() {
    local venv=target/openapi-validator
    if [[ ! -x $venv/bin/openapi-spec-validator ]]; then
        python3 -m venv "$venv" ||
            fail "Python cannot make a virtual environment" "Debian and Ubuntu: apt-get install python3-venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check "openapi-spec-validator==$OPENAPI_VALIDATOR" ||
            fail "could not install the validator from PyPI" "Is there a way to pypi.org?"
    fi
    "$venv/bin/openapi-spec-validator" --schema 3.1 tests/snapshots/openapi.json
}

# Runs each fuzz target for a while. What libFuzzer says is shown where it has found something.
fuzz_targets() {
    local target log
    # No sanitizer: no code of ours is unsafe, and without one it builds three times as fast.
    local flags=(--dev --sanitizer none)
    # The instrumentation is unstable; in this way stable Rust does it too.
    export RUSTC_BOOTSTRAP=1
    cargo fuzz build "${flags[@]}"
    log=$(mktemp)
    for target in fuzz/fuzz_targets/*.rs; do
        target=$(basename "$target" .rs)
        if ! cargo fuzz run "${flags[@]}" "$target" -- -max_total_time="$FUZZ_SECONDS" >"$log" 2>&1; then
            tail -n 60 "$log"
            rm "$log"
            fail "the fuzz target $target has found something; the input is in fuzz/artifacts/$target"
        fi
        say "    $target: $(grep -o 'Done [0-9]* runs in [0-9]* second' "$log" || echo 'done')s"
    done
    rm "$log"
    unset RUSTC_BOOTSTRAP
}

# What is lacking for tests that need more than others; nothing if all can run.
lacking_for_tests() {
    local place program
    ((EUID == 0)) || say "root"
    # shellcheck disable=SC2016 # The inner shell expands it.
    unshare --net sh -c 'ip link add name bridge0 type bridge && tc qdisc replace dev lo root tbf rate 1mbit burst 32kb latency 50ms &&
        nsenter --net=/proc/$$/ns/net -- true' >/dev/null 2>&1 || say "networks of their own (unshare, nsenter, ip, tc)"
    place=$(mktemp -d)
    if mount -t tmpfs tmpfs "$place" 2>/dev/null; then
        umount "$place"
    else
        say "mounting a small disk"
    fi
    rmdir "$place"
    compiles c cc stdio.h || say "a C compiler named cc"
    [[ $(id -gn nobody 2>/dev/null) == nogroup ]] || say "a user nobody in the group nogroup"
    command -v systemd-analyze >/dev/null || say "systemd-analyze"
    for program in dockerd containerd docker ip; do
        command -v "$program" >/dev/null || say "$program (Debian: docker.io, iproute2)"
    done
    has_flocker_client || say "Flocker's library for Go (Debian: golang-go, golang-github-clusterhq-flocker-go-dev)"
    [[ $(stat -f -c %T /dev/shm 2>/dev/null) == tmpfs ]] || say "a tmpfs at /dev/shm"
}

# Says that no test may be left out, or has those written down that are.
allow_skips() {
    local lacking
    lacking=$(lacking_for_tests)
    if [[ -z $lacking ]]; then
        export MF2C_TEST_NO_SKIP=1
        return
    fi
    skipped=$PWD/target/skipped-tests
    : >"$skipped"
    export MF2C_TEST_SKIPPED=$skipped
    say "    some tests will be left out; this machine lacks: ${lacking//$'\n'/, }"
}

tell_skips() {
    [[ -n $skipped ]] || return 0
    say ""
    say "$(sort -u "$skipped" | wc -l) tests were LEFT OUT, for want of what they need:"
    sort -u "$skipped" | sed 's/^/    /'
}

run_tests() {
    if cargo nextest --version >/dev/null 2>&1; then
        # Most tests wait most of the time, so more of them run at once than there are processors.
        cargo nextest run --workspace --locked --test-threads "$(($(nproc) * 3 / 2))"
    else
        cargo test --workspace --locked --no-fail-fast
    fi
}

main() {
    fuzz=yes
    [[ ${MF2C_TEST_FUZZ:-1} != 0 ]] || fuzz=no
    while (($# > 0)); do
        case $1 in
            --no-fuzz) fuzz=no ;;
            -h | --help)
                usage
                exit 0
                ;;
            *) fail "there is no option $1" "Usage: scripts/test.sh [--no-fuzz]" ;;
        esac
        shift
    done
    step "What testing needs"
    need_packages
    need_tools
    step "Format"
    cargo fmt --all --check
    step "Lints"
    cargo clippy --workspace --all-targets --locked -- -D warnings
    check_locks
    step "Licences, bans and sources of dependencies"
    check_licences
    step "OpenAPI document"
    check_openapi
    step "Building the program and the tests"
    # Together with the tests, so that what both need is built once: features are those of all that is built at once.
    cargo build --workspace --bin mf2c --tests --locked
    if [[ $fuzz == yes ]]; then
        step "Fuzz targets, ${FUZZ_SECONDS} s each"
        fuzz_targets
    fi
    # Last, so that the runner's summary stands at the end.
    step "All tests"
    allow_skips
    run_tests
    step_done
    tell_skips
    say ""
    local tests="all tests"
    [[ -z $skipped ]] || tests="all tests but those above"
    say "Everything is as it should be: format, lints, fuzz targets ($fuzz) and $tests, in $SECONDS s."
}

main "$@"
