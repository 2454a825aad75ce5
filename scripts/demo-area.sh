#!/usr/bin/env bash
# Starts a fog of real agents on this machine, ends each of them with kill -9 in turn, and checks that nothing is lost:
# `demo-area.sh --help` tells more.
set -euo pipefail

usage() {
    cat <<'END'
Starts a fog of real agents on this machine: a cloud, two areas with a leader each, and four children. Puts load on the
children, ends each of the seven with kill -9 in turn and starts it again, and checks at the end that everything which was
acknowledged is at the cloud. Only loopback addresses are used, and nothing is left behind.

Usage: demo-area.sh [MF2C]        the program; without it the one below target/

Environment:
  ROUNDS=1      how often each member is killed
  WRITES=20     documents that each child gets in each step
  PAUSE=1       seconds that a killed member stays away
  PROFILE=lan   how quickly the loss of a leader is noticed: lan, fast or wan
  STAY=1        let the fog run on at the end, until Ctrl-C
  KEEP=1        leave the agents' folder behind

Watch it from another terminal; the first lines name the folder:
  mf2c area --watch --data-dir FOLDER/cloud       everything below the cloud
  mf2c area --watch --data-dir FOLDER/kid-1       what a child knows: itself, and who leads it

Ends with 0 if nothing is lost, with 1 if something is, and with 2 if the demonstration cannot be started.
END
}

case ${1:-} in
    -h | --help | help) usage; exit 0 ;;
    -*) echo "demo-area.sh: unknown option $1; \`demo-area.sh --help\` tells what there is" >&2; exit 2 ;;
esac
if [ $# -gt 1 ]; then
    echo "demo-area.sh: expected one program at most; \`demo-area.sh --help\` tells what there is" >&2
    exit 2
fi

here=$(cd "$(dirname "$0")/.." && pwd)
mf2c=${1:-}
for built in "$here/target/release/mf2c" "$here/target/debug/mf2c"; do
    [ -n "$mf2c" ] || { [ -x "$built" ] && mf2c=$built; } || true
done
if [ ! -x "${mf2c:-}" ]; then
    echo "there is no mf2c to run: build it with \`cargo build --release -p mf2c-agent\`, or name it" >&2
    exit 2
fi
for needed in curl python3; do
    command -v "$needed" >/dev/null || { echo "$needed is missing: install it" >&2; exit 2; }
done
rounds=${ROUNDS:-1} writes=${WRITES:-20} pause=${PAUSE:-1}
folder=$(mktemp -d "${TMPDIR:-/tmp}/mf2c-fog.XXXXXX")
members="cloud lead-a lead-b kid-1 kid-2 kid-3 kid-4"
kids="kid-1 kid-2 kid-3 kid-4"
declare -A pid link api
began=$SECONDS

say() { printf '%4ss  %s\n' "$((SECONDS - began))" "$*"; }

end() {
    local code=$?
    for name in "${!pid[@]}"; do
        kill -9 "${pid[$name]}" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    if [ "$code" != 0 ] || [ -n "${KEEP:-}" ]; then
        echo "the agents' data and logs are in $folder" >&2
    else
        rm -rf "$folder"
    fi
}
trap end EXIT
trap 'exit 130' INT TERM

fail() { echo "FAILED: $*" >&2; exit 1; }

# A port that nobody uses now; a member keeps it when it is started again.
port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# start NAME: starts a member and waits until it is ready.
start() {
    local name=$1 out="$folder/$1.out"
    link[$name]=${link[$name]:-127.0.0.1:$(port)}
    : >"$out"
    env MF2C_DEVICE_ENABLED=false MF2C_DEVICE_NAME="$name" MF2C_DISCOVERY_BEACON=false MF2C_AREA_PROFILE="${PROFILE:-lan}" MF2C_AREA_BACKUPS=1 \
        "$mf2c" agent --dev --data-dir "$folder/$name" --api 127.0.0.1:0 --link "${link[$name]}" \
        >"$out" 2>>"$folder/$name.log" &
    pid[$name]=$!
    disown
    for _ in $(seq 300); do
        if grep -q '^ready ' "$out"; then
            api[$name]=$(sed -n 's/^ready //p' "$out")
            return 0
        fi
        kill -0 "${pid[$name]}" 2>/dev/null || break
        sleep 0.1
    done
    tail -5 "$folder/$name.log" >&2
    fail "$name did not become ready"
}

at() { local name=$1; shift; "$mf2c" "$@" --data-dir "$folder/$name"; }

# until_true WHAT COMMAND…: waits at most a minute.
until_true() {
    local what=$1; shift
    for _ in $(seq 300); do
        if "$@" 2>/dev/null; then return 0; fi
        sleep 0.2
    done
    fail "$what did not come to be within a minute"
}

role() { at "$1" area -o json 2>/dev/null | python3 -c 'import json, sys; print(json.load(sys.stdin)["role"])'; }
leads() { [ "$(role "$1")" = leader ]; }
is_led() { at "$1" area -o json 2>/dev/null | python3 -c 'import json, sys; sys.exit(not json.load(sys.stdin)["leader"])'; }

join() {
    at "$2" token create "${@:3}" >"$folder/token.txt" 2>/dev/null
    at "$1" join --role "${JOIN_ROLE:-agent}" --token-file "$folder/token.txt" >/dev/null 2>&1 || fail "$1 was not let in"
}

admin='slipstream-authn-info: internal ADMIN'

# load KID STEP: adds documents one by one; what is answered with 201 counts as acknowledged.
load() {
    local kid=$1 step=$2 number status
    for number in $(seq "$writes"); do
        status=$(curl -k -s -o /dev/null -w '%{http_code}' -m 5 -H "$admin" -H 'content-type: application/json' \
            "${api[$kid]}/service" -d "{\"name\": \"demo-$kid-$step-$number\", \"exec\": \"x\", \"exec_type\": \"docker\",
            \"agent_type\": \"normal\"}" || true)
        [ "$status" != 201 ] || echo "demo-$kid-$step-$number" >>"$folder/acknowledged"
    done
}

names_at() {
    curl -k -s -g -m 20 -H "$admin" "${api[$1]}/service?\$filter=name^='demo-'&\$select=name" |
        python3 -c 'import json, sys; [print(s["name"]) for s in json.load(sys.stdin)["services"]]' | sort
}

missing_at() { names_at "$1" >"$folder/there"; sort "$folder/acknowledged" | comm -23 - "$folder/there"; }
complete_at() { [ -z "$(missing_at "$1")" ]; }

say "starting a cloud, two leaders and four children; their data and logs are in $folder"
say "watch it from another terminal: $mf2c area --watch --data-dir $folder/cloud"
: >"$folder/acknowledged"
for name in $members; do start "$name"; done
at cloud ca init --area sky >/dev/null 2>&1
until_true "the cloud's leadership" leads cloud
JOIN_ROLE=leader join lead-a cloud --role leader --area area-a
JOIN_ROLE=leader join lead-b cloud --role leader --area area-b
until_true "the leadership of area-a" leads lead-a
until_true "the leadership of area-b" leads lead-b
for name in kid-1 kid-2; do join "$name" lead-a; done
for name in kid-3 kid-4; do join "$name" lead-b; done
for name in $kids; do until_true "the leader of $name" is_led "$name"; done
say "the fog stands, as the cloud sees it:"
at cloud area | sed 's/^/        /'

step=0
for round in $(seq "$rounds"); do
    for victim in $members; do
        step=$((step + 1))
        for kid in $kids; do load "$kid" "$step" & done
        # In the midst of the load.
        sleep 0.3
        kill -9 "${pid[$victim]}"
        # Its directory is free when it is really gone.
        while kill -0 "${pid[$victim]}" 2>/dev/null; do sleep 0.05; done
        killed=$SECONDS
        sleep "$pause"
        start "$victim"
        for job in $(jobs -p); do wait "$job" 2>/dev/null || true; done
        say "round $round: $victim was killed and is back after $((SECONDS - killed)) s; $(wc -l <"$folder/acknowledged") documents are acknowledged"
    done
done

say "waiting until the cloud has everything"
settled=$SECONDS
until_true "what was acknowledged at the cloud (missing: $(missing_at cloud | head -3 | tr '\n' ' '))" complete_at cloud
say "the cloud had everything $((SECONDS - settled)) s later"
for name in $members; do
    say "$name: $(names_at "$name" | wc -l) documents of the demonstration, $(role "$name")"
done
total=$(wc -l <"$folder/acknowledged")
twice=$(names_at cloud | uniq -d | wc -l)
[ "$twice" = 0 ] || fail "$twice documents are there twice"
echo
say "the fog at the end, as the cloud sees it:"
at cloud area | sed 's/^/        /'
echo "$total documents were acknowledged, $((step)) members were killed, 0 documents are lost, none is there twice ($((SECONDS - began)) s)"
if [ -n "${STAY:-}" ]; then
    echo "the fog runs on; Ctrl-C ends it"
    while sleep 3600; do :; done
fi
