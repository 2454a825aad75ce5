#!/usr/bin/env bash
# Starts a fog of real agents on this machine, ends each of them with kill -9 in turn while they are written to, and checks
# that nothing is lost: `demo-area.sh --help` tells more.
set -euo pipefail

usage() {
    cat <<'END'
Starts a fog of real agents on this machine: a cloud, two areas with a leader each, and four children. All the while each
child adds, edits and deletes documents. Each of the seven agents is ended with kill -9 in turn and started again; where it
leads an area, not before another agent has taken the lead. At the end each leader and the cloud must hold exactly what was
acknowledged. Only loopback addresses are used, and nothing is left behind.

Usage: demo-area.sh [MF2C]        the program; without it the one below target/

Environment:
  ROUNDS=1      how often each agent is killed
  WRITES=20     writes of each child in a second, at most
  PAUSE=2       seconds that a killed agent stays away at least
  PROFILE=lan   how quickly the loss of a leader is noticed: lan, fast or wan
  STAY=1        let the fog run on at the end, until Ctrl-C
  KEEP=1        leave the agents' folder behind

Watch it from another terminal; the first lines name the folder:
  mf2c area --watch --data-dir FOLDER/cloud       everything below the cloud
  mf2c area --watch --data-dir FOLDER/kid-1       what a child knows: itself, and who leads it

Ends with 0 if nothing is lost, with 1 if something is, and with 2 if the demonstration cannot be started.
END
}

unusable() { echo "demo-area.sh: $1" >&2; exit 2; }

case ${1:-} in
    -h | --help | help) usage; exit 0 ;;
    -*) unusable "unknown option $1; \`demo-area.sh --help\` tells what there is" ;;
esac
[ $# -le 1 ] || unusable "expected one program at most; \`demo-area.sh --help\` tells what there is"

here=$(cd "$(dirname "$0")/.." && pwd)
mf2c=${1:-}
for built in "$here/target/release/mf2c" "$here/target/debug/mf2c"; do
    [ -n "$mf2c" ] || { [ -x "$built" ] && mf2c=$built; } || true
done
[ -x "${mf2c:-}" ] || unusable "there is no mf2c to run: build it with \`cargo build --release -p mf2c-agent\`, or name it"
command -v python3 >/dev/null || unusable "python3 is missing: install it"

rounds=${ROUNDS:-1} rate=${WRITES:-20} pause=${PAUSE:-2} profile=${PROFILE:-lan}
[[ $rounds =~ ^[1-9][0-9]*$ ]] || unusable "ROUNDS is $rounds; expected a number from 1"
[[ $rate =~ ^[1-9][0-9]*$ ]] || unusable "WRITES is $rate; expected a number from 1"
[[ $pause =~ ^[0-9]+$ ]] || unusable "PAUSE is $pause; expected whole seconds"

# What is set for another agent is not for these.
for name in "${!MF2C_@}"; do unset "$name"; done

folder=$(mktemp -d "${TMPDIR:-/tmp}/mf2c-fog.XXXXXX")
kids=(kid-1 kid-2 kid-3 kid-4)
members=(cloud lead-a lead-b "${kids[@]}")
declare -A pid link
declare -A area=([cloud]=sky [lead-a]=area-a [kid-1]=area-a [kid-2]=area-a [lead-b]=area-b [kid-3]=area-b [kid-4]=area-b)
declare -A of=([sky]="cloud" [area-a]="lead-a kid-1 kid-2" [area-b]="lead-b kid-3 kid-4")
began=$SECONDS loading="" complete=yes
# How many agents were killed, how often another took the lead, and in which areas.
kills=0 takeovers=0
declare -A seen

# ----------------------------------------------------------------------------------------------------------- for people

bold="" red="" green="" plain=""
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
fi

say() { printf '%4ss  %s\n' "$((SECONDS - began))" "$*"; }
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
fail() { printf '\n%sFAILED%s  %s\n' "$red$bold" "$plain" "$*"; exit 1; }

# now : milliseconds since 1970.
now() { local micro=${EPOCHREALTIME/[.,]/}; echo "$((micro / 1000))"; }
# seconds MILLISECONDS : with a decimal.
seconds() { printf '%d.%d' "$(($1 / 1000))" "$(($1 % 1000 / 100))"; }

end() {
    local code=$? name
    [ -z "$loading" ] || kill -9 "$loading" 2>/dev/null || true
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

# --------------------------------------------------------------------------------------------------------------- agents

# A port that nobody uses now; an agent keeps it when it is started again. It lies below those that the system gives to
# others meanwhile.
port() {
    python3 - <<'END'
import random, socket
for port in random.sample(range(10000, 32000), 1000):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(port)
        break
END
}

# launch NAME : starts an agent.
launch() {
    local name=$1
    link[$name]=${link[$name]:-127.0.0.1:$(port)}
    : >"$folder/$name.out"
    env MF2C_DEVICE_ENABLED=false MF2C_DEVICE_NAME="$name" MF2C_DISCOVERY_BEACON=false MF2C_AREA_PROFILE="$profile" MF2C_AREA_BACKUPS=1 \
        "$mf2c" agent --dev --data-dir "$folder/$name" --api 127.0.0.1:0 --link "${link[$name]}" \
        >"$folder/$name.out" 2>>"$folder/$name.log" &
    pid[$name]=$!
    disown
}

# ready NAME : waits until it answers.
ready() {
    local name=$1
    for _ in $(seq 600); do
        if grep -q '^ready ' "$folder/$name.out"; then
            # Whole at once: the load reads it.
            sed -n 's/^ready //p' "$folder/$name.out" >"$folder/$name.api.new"
            mv "$folder/$name.api.new" "$folder/$name.api"
            return 0
        fi
        kill -0 "${pid[$name]}" 2>/dev/null || break
        sleep 0.1
    done
    tail -5 "$folder/$name.log" >&2
    fail "$name did not become ready"
}

at() { local name=$1; shift; "$mf2c" "$@" --data-dir "$folder/$name"; }

# state NAME : what an agent knows of its area: its role, the mandate, the term, whether it has backups, and a leader. Read
# without a program of its own, as it is asked for again and again: keys of the outermost object are two spaces in.
state() {
    local told key role mandate term backups=none leader=led
    told=$(at "$1" area -o json 2>/dev/null) || return 1
    for key in role mandate; do
        [[ $told =~ $'\n  "'$key'": "'([a-z]+)'"' ]] || return 1
        printf -v "$key" '%s' "${BASH_REMATCH[1]}"
    done
    [[ $told =~ $'\n  "term": '([0-9]+) ]] || return 1
    term=${BASH_REMATCH[1]}
    [[ $told == *$'\n  "backups": []'* ]] || backups=some
    [[ $told != *$'\n  "leader": null'* ]] || leader=alone
    echo "$role $mandate $term $backups $leader"
}
leads() { [[ $(state "$1") == "leader full "* ]]; }
follows() { [[ $(state "$1") == *" led" ]]; }

# leader AREA [BUT] : who leads an area with a full mandate, if anybody but BUT does.
leader() {
    local name
    for name in ${of[$1]}; do
        if [ "$name" != "${2:-}" ] && leads "$name"; then
            echo "$name"
            return 0
        fi
    done
    return 1
}

# is_backed_up AREA : whether a backup knows that it is one, and has the keys of the authority, so that it can take over.
is_backed_up() {
    local name one
    one=$(leader "$1") && [[ $(state "$one") == "leader full "*" some "* ]] || return 1
    for name in ${of[$1]}; do
        [[ $name != "$one" && $(state "$name") == backup* && -e $folder/$name/ca/area.key ]] && return 0
    done
    return 1
}

# until_true WHAT COMMAND... : waits at most a minute.
until_true() {
    local what=$1 deadline=$((SECONDS + 60)); shift
    while ! "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || fail "$what did not come to be within a minute"
        sleep 0.05
    done
}

join() {
    at "$2" token create "${@:3}" >"$folder/token.txt" 2>/dev/null
    at "$1" join --role "${JOIN_ROLE:-agent}" --token-file "$folder/token.txt" >/dev/null 2>&1 || fail "$1 was not let in"
}

# load COMMAND ARGUMENT... : the load and its judge.
judge=$here/scripts/demo/load.py
load() { python3 "$judge" "$1" "$folder" "${@:2}"; }

# ------------------------------------------------------------------------------------------------------------ the steps

build() {
    local name
    for name in "${members[@]}"; do launch "$name"; done
    for name in "${members[@]}"; do ready "$name"; done
    at cloud ca init --area sky >/dev/null 2>&1
    until_true "the cloud's leadership" leads cloud
    for name in a b; do
        JOIN_ROLE=leader join "lead-$name" cloud --role leader --area "area-$name"
        until_true "the leadership of area-$name" leads "lead-$name"
    done
    for name in kid-1 kid-2; do join "$name" lead-a; done
    for name in kid-3 kid-4; do join "$name" lead-b; done
    for name in "${kids[@]}"; do until_true "the leader of $name" follows "$name"; done
    for name in area-a area-b; do until_true "a backup in $name" is_backed_up "$name"; done
}

# see_takeover NAME MOMENT TERM : waits until another leads than the one that was killed then and led in this term; puts
# what is to be told in `outcome`.
see_takeover() {
    local victim=$1 killed=$2 old=$3 one new term
    one=${area[$victim]}
    until_true "another leader of $one" leader "$one" "$victim"
    new=$(leader "$one" "$victim") || fail "$one has no leader again"
    term=$(state "$new" | cut -d ' ' -f 3)
    ((term > old)) || fail "$new leads $one in term $term, which is not after term $old of $victim"
    outcome="$new leads $one after $(seconds "$(($(now) - killed))") s, in term $term"
    takeovers=$((takeovers + 1))
    seen[$one]=1
}

# kill_one NAME : ends an agent in the midst of the load, and starts it again.
kill_one() {
    local victim=$1 start killed back was old others=() kid figures
    outcome="follows again"
    [ "$victim" = cloud ] || until_true "a backup in ${area[$victim]}" is_backed_up "${area[$victim]}"
    read -r was _ old _ < <(state "$victim") || fail "$victim does not answer"
    start=$(now)
    load wait "$start" "${kids[@]}" || fail "the load stands still before $victim is killed"
    printf '  %-7s %-7s' "$victim" "$was"
    killed=$(now)
    kill -9 "${pid[$victim]}"
    # Its directory is free when it is really gone.
    while kill -0 "${pid[$victim]}" 2>/dev/null; do sleep 0.02; done
    if [ "$victim" = cloud ]; then
        outcome="leads sky again"
    elif [ "$was" = leader ]; then
        see_takeover "$victim" "$killed" "$old"
    fi
    for kid in "${kids[@]}"; do [ "$kid" = "$victim" ] || others+=("$kid"); done
    load wait "$killed" "${others[@]}" || fail "the load stands still while $victim is away"
    while (($(now) < killed + pause * 1000)); do sleep 0.1; done
    launch "$victim"
    ready "$victim"
    back=$(now)
    until_true "that $victim is back in its area" follows "$victim"
    load wait "$back" "${kids[@]}" || fail "the load stands still after $victim is back"
    read -r -a figures < <(load phases "$start" "$killed" "$back" "$(now)" "${kids[@]}")
    printf '%6s s %9s %7s %7s %7s %8s   %s\n' "$(seconds "$((back - killed))")" "${figures[@]}" "$outcome"
    kills=$((kills + 1))
}

# judged NAME CHILD... : whether an agent holds what these children acknowledged, as it should be; tells in `figures` and `wrong`.
judged() {
    local told
    told=$(load judge "$@" 2>&1) || { wrong=$told; return 1; }
    read -r -a figures <<<"$(head -1 <<<"$told")"
    wrong=$(tail -n +2 <<<"$told")
    [ "${figures[*]:1}" = "0 0 0 0" ]
}

# check NAME ROLE CHILD... : waits until it does, at most a minute, and tells.
check() {
    local name=$1 as=$2 deadline=$((SECONDS + 60)) asked verdict="${green}complete$plain" figures=(- - - - -) wrong=""
    shift 2
    asked=$(now)
    until judged "$name" "$@"; do
        if ((SECONDS >= deadline)); then
            verdict="${red}NOT COMPLETE$plain: $wrong"
            complete=no
            break
        fi
        sleep 0.2
    done
    printf '  %-7s %-14s %7s %9s %6s %7s %7s   %s\n' "$name" "$as" "${figures[@]}" "$verdict ($(seconds "$(($(now) - asked))") s)"
}

# ----------------------------------------------------------------------------------------------------------------- all

title "A fog of seven agents, killed one after the other while it is written to"
cat <<END
  cloud                 the area sky
    lead-a              area-a, with kid-1 and kid-2; one of them is the backup
    lead-b              area-b, with kid-3 and kid-4; one of them is the backup

  data and logs         $folder
  in another terminal   $mf2c area --watch --data-dir $folder/cloud

END
say "starting them"
build
say "the fog stands, as the cloud sees it:"
at cloud area 2>/dev/null | sed 's/^/  /'

python3 "$judge" run "$folder" "$rate" "${kids[@]}" 2>"$folder/load.log" &
loading=$!
title "kill -9 of each, under load"
cat <<END
  Each child adds, edits and deletes documents all the while, $rate writes a second at most. A write is acknowledged
  when it was answered with success. Across are those that were asked before the kill and answered after it; without
  are those whose answer never came.

                          acknowledged writes
  killed  was    away for    before    away   after  across  without   and then
END
for _ in $(seq "$rounds"); do
    for victim in "${members[@]}"; do kill_one "$victim"; done
done
for one in area-a area-b; do
    [ -n "${seen[$one]:-}" ] || fail "nobody had to take over in $one"
done
kill -TERM "$loading"
wait "$loading" || fail "the load ended badly: $(tail -1 "$folder/load.log")"
loading=""

title "What each holds at the end, of what was acknowledged"
echo "  agent   as             must hold  missing    old  revived  twice   verdict"
for one in area-a area-b; do
    until_true "a leader of $one" leader "$one"
    below=()
    for name in ${of[$one]}; do [[ $name != kid-* ]] || below+=("$name"); done
    check "$(leader "$one")" "leads $one" "${below[@]}"
done
check cloud "leads sky" "${kids[@]}"
for name in "${kids[@]}"; do check "$name" "its own" "$name"; done

title "The fog at the end, as the cloud sees it"
at cloud area 2>/dev/null | sed 's/^/  /'
read -r added edited deleted unknown < <(load total "${kids[@]}")
[ "$complete" = yes ] || fail "some of what was acknowledged is not there as it should be"
cat <<END

${green}${bold}PASSED$plain  $kills agents were killed, 0 documents are lost, none is old, revived or there twice
        $((added + edited + deleted)) writes were acknowledged: $added additions, $edited edits, $deleted deletions ($unknown more had no answer)
        $takeovers times another agent took the lead; $((SECONDS - began)) s in all
END
if [ -n "${STAY:-}" ]; then
    echo "the fog runs on; Ctrl-C ends it"
    while sleep 3600; do :; done
fi
