#!/usr/bin/env bash
# Installs mf2c as a service: the program, a user of its own, a configuration, a data directory, and a unit for systemd.
# Safe to run again and again: a configuration and data that are there are never touched.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/common.sh
source "$here/common.sh"

usage() {
    cat <<'USAGE'
Installs mf2c as a service: program, user, configuration, data directory and systemd unit.

Usage: scripts/install.sh [--role ROLE] [--user NAME] [--binary FILE] [--prefix DIR] [--root DIR] [--no-start]
       scripts/install.sh --upgrade   [--user NAME] [--binary FILE] [--prefix DIR] [--root DIR] [--no-start]
       scripts/install.sh --uninstall [--purge] [--prefix DIR] [--root DIR]

  --role ROLE     agent (the default), leader or cloud: which configuration to begin with
  --user NAME     the user that the service runs as; mf2c unless given, which is made if it is not there
  --binary FILE   the program to install; else target/dist/mf2c or target/release/mf2c, whichever is newer
  --prefix DIR    where the program goes: DIR/bin/mf2c; /usr/local unless given
  --root DIR      install below DIR instead of /: for packages and tests; no user is made and nothing is started then
  --no-start      do not start the service
  --upgrade       stop the service, make a backup, replace program and unit, start the service
  --uninstall     stop the service, and remove program and unit; configuration and data stay
  --purge         with --uninstall: remove configuration, data and user too
  --help          print this

What it makes: PREFIX/bin/mf2c, /etc/mf2c/mf2c.toml (folder 0750, file 0640, root:mf2c), /var/lib/mf2c (0700, mf2c:mf2c),
/etc/systemd/system/mf2c.service, and the system user mf2c. An existing configuration is never overwritten.
USAGE
}

step() { printf '==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }

# ---------------------------------------------------------------------------------------------------- what was asked

action=install role=agent role_given=no binary="" prefix=/usr/local root="" user=mf2c start=yes purge=no

# value FLAG COUNT : refuses a flag without its value.
value() { (($2 > 1)) || fail "$1 needs a value" "Usage: scripts/install.sh --help"; }

arguments() {
    while (($# > 0)); do
        case $1 in
            --role) value "$1" $# && role=$2 role_given=yes && shift ;;
            --user) value "$1" $# && user=$2 && shift ;;
            --binary) value "$1" $# && binary=$2 && shift ;;
            --prefix) value "$1" $# && prefix=$2 && shift ;;
            --root) value "$1" $# && root=${2%/} start=no && shift ;;
            --no-start) start=no ;;
            --upgrade) action=upgrade ;;
            --uninstall) action=uninstall ;;
            --purge) purge=yes ;;
            -h | --help)
                usage
                exit 0
                ;;
            *) fail "there is no option $1" "Usage: scripts/install.sh --help" ;;
        esac
        shift
    done
    case $role in
        agent | leader | cloud) ;;
        *) fail "there is no role $role" "Roles are agent, leader and cloud." ;;
    esac
    [[ $user =~ ^[a-z_][a-z0-9_-]*$ ]] || fail "$user is no name of a user"
    [[ $prefix == /* ]] || fail "--prefix $prefix is no absolute path" "Write for example --prefix /opt/mf2c"
    [[ $prefix =~ ^[A-Za-z0-9/._-]+$ ]] || fail "--prefix $prefix cannot stand in a unit" "Use letters, digits, / . _ -"
    [[ -z $root || $root == /* ]] || fail "--root $root is no absolute path" "Write for example --root \"\$PWD/staging\""
    [[ $purge == no || $action == uninstall ]] || fail "--purge goes with --uninstall only"
    [[ $role_given == no || $action == install ]] || fail "--role goes with a first installation only"
}

places() {
    program=$root$prefix/bin/mf2c
    etc=$root/etc/mf2c
    config=$etc/mf2c.toml
    data=$root/var/lib/mf2c
    unit=$root/etc/systemd/system/mf2c.service
}

# --------------------------------------------------------------------------------------------------------- the parts

has_systemd() { [[ -z $root && -d /run/systemd/system ]] && command -v systemctl >/dev/null; }

need_root() {
    ((EUID == 0)) || fail "this is not root, who alone may do that" "sudo $0 ${given[*]}"
}

find_binary() {
    local candidate
    if [[ -z $binary ]]; then
        for candidate in "$here/../target/dist/mf2c" "$here/../target/release/mf2c"; do
            if [[ -x $candidate && (-z $binary || $candidate -nt $binary) ]]; then binary=$candidate; fi
        done
        [[ -n $binary ]] || fail "there is no program to install" \
            "Build it: scripts/run.sh --build-only, or name one with --binary FILE"
    fi
    [[ -f $binary && -x $binary ]] || fail "$binary is no program" "Name the built mf2c with --binary FILE"
    # One for another machine would be installed in vain.
    "$binary" version >/dev/null || fail "$binary does not run here" "Is it built for this machine?"
}

make_user() {
    owner=$user
    if getent passwd "$user" >/dev/null; then
        group=$(id -gn "$user")
        note "the user $user is there, with the group $group"
        return
    fi
    group=$user
    if [[ -n $root ]]; then
        # The users of the machine that builds a package are none of its business.
        owner=root group=root
        note "staged below $root: no user is made; what belongs to $user belongs to root until the package gives it away"
        return
    fi
    local shell
    shell=$(command -v nologin || printf '/usr/sbin/nologin')
    if command -v useradd >/dev/null; then
        useradd --system --user-group --no-create-home --home-dir /var/lib/mf2c --shell "$shell" "$user"
    elif command -v adduser >/dev/null; then
        # BusyBox has no useradd.
        addgroup -S "$user"
        adduser -S -D -H -h /var/lib/mf2c -s "$shell" -G "$user" "$user"
    else
        fail "there is neither useradd nor adduser" "Make a system user $user by hand, then run this again."
    fi
    note "made the system user $user"
}

# The file appears whole or not at all, also where the old program runs.
put_program() {
    mkdir -p "$(dirname "$program")"
    cp -- "$binary" "$program.new"
    chown root:root "$program.new"
    chmod 0755 "$program.new"
    mv -f -- "$program.new" "$program"
    note "$program: $("$program" version)"
}

put_config() {
    mkdir -p "$etc"
    chown "root:$group" "$etc"
    chmod 0750 "$etc"
    if [[ -e $config ]]; then
        note "$config is there and stays as it is"
    else
        local new=$config.new
        (umask 077 && cp -- "$here/../config/$role.toml" "$new")
        chown "root:$group" "$new"
        chmod 0640 "$new"
        mv -- "$new" "$config"
        note "$config: the defaults of the role $role"
    fi
    "$program" config check --config "$config" || fail "the configuration is wrong" "Correct $config, then run this again."
}

put_data() {
    if [[ -d $data ]]; then
        note "$data is there and stays as it is"
        return
    fi
    mkdir -p "$(dirname "$data")"
    mkdir -m 0700 "$data"
    chown "$owner:$group" "$data"
    note "$data: made, for the user $owner alone"
}

put_unit() {
    # Where the user is not there yet, the group will be the one that is made with it.
    local unit_group=$group
    [[ $owner == "$user" ]] || unit_group=$user
    mkdir -p "$(dirname "$unit")"
    sed -e "s|^ExecStart=/usr/local/bin/mf2c |ExecStart=$prefix/bin/mf2c |" -e "s|^User=.*|User=$user|" -e "s|^Group=.*|Group=$unit_group|" \
        "$here/../packaging/mf2c.service" >"$unit.new"
    chmod 0644 "$unit.new"
    mv -f -- "$unit.new" "$unit"
    if has_systemd; then systemctl daemon-reload; fi
    note "$unit"
}

start_service() {
    if [[ -n $root ]]; then
        note "staged below $root: nothing is started"
        return
    fi
    if has_systemd; then
        [[ $start == yes ]] || {
            note "start it: systemctl enable --now mf2c"
            return
        }
        systemctl enable --quiet mf2c
        systemctl restart mf2c || fail "the service did not start" "journalctl -u mf2c -n 20 tells why."
        note "it runs: systemctl status mf2c"
    else
        note "there is no systemd here; start it by hand, as the user $user:"
        note "setpriv --reuid $user --regid $group --clear-groups $program agent --config $config --data-dir $data"
    fi
}

# What whoever has installed an agent for the first time does not know yet. Under systemd no password is printed.
next_steps() {
    local mf2c=$prefix/bin/mf2c
    note "set the first administrator's password, when the agent has started, as root or as $user:"
    note "sudo -u $user $mf2c user passwd admin --data-dir /var/lib/mf2c"
    note "only this machine is served until api.listen is changed in /etc/mf2c/mf2c.toml; then restart the service"
}

# Whether an agent holds the lock of the data directory.
is_locked() {
    [[ -e $data/store/mf2c.lock ]] && command -v flock >/dev/null && ! flock --nonblock "$data/store/mf2c.lock" true
}

stop_service() {
    if has_systemd && systemctl is-active --quiet mf2c; then
        systemctl stop mf2c
        note "the service is stopped"
    elif is_locked; then
        fail "an agent runs on $data, and systemd did not start it" "Stop it, then run this again."
    else
        note "no service runs"
    fi
}

# ------------------------------------------------------------------------------------------------------- the actions

install_all() {
    step "Looking for the program"
    find_binary
    note "$binary"
    step "User"
    make_user
    step "Program"
    put_program
    step "Configuration"
    put_config
    step "Data directory"
    put_data
    step "Unit for systemd"
    put_unit
    step "Service"
    start_service
    step "Next"
    next_steps
}

upgrade() {
    local backup
    [[ -x $program ]] || fail "there is no $program to upgrade" "Install first: scripts/install.sh"
    make_user
    step "Looking for the program"
    find_binary
    note "from $("$program" version) to $("$binary" version)"
    step "Does the configuration fit the new version?"
    "$binary" config check --config "$config" || fail "it does not; nothing was changed" "Correct $config, then run this again."
    step "Stopping"
    stop_service
    step "Backup"
    if [[ -d $data/store ]]; then
        backup=$data/before-upgrade-$(date +%Y%m%d-%H%M%S).backup
        # As the owner of the data, so that nothing there comes to belong to root.
        if command -v setpriv >/dev/null; then
            setpriv --reuid "$owner" --regid "$group" --clear-groups "$program" backup "$backup" --data-dir "$data" ||
                fail "no backup could be made; nothing was changed" "Start the service again: systemctl start mf2c"
        else
            "$program" backup "$backup" --data-dir "$data" ||
                fail "no backup could be made; nothing was changed" "Start the service again: systemctl start mf2c"
            chown -R "$owner:$group" "$data"
        fi
    else
        note "there are no documents yet"
    fi
    step "Program"
    put_program
    step "Unit for systemd"
    put_unit
    step "Service"
    start_service
}

uninstall() {
    step "Service"
    if has_systemd && [[ -e $unit ]]; then systemctl disable --quiet mf2c || true; fi
    stop_service
    step "Unit and program"
    rm -f -- "$unit" "$program"
    if has_systemd; then systemctl daemon-reload; fi
    note "removed $unit and $program"
    if [[ $purge == no ]]; then
        step "What stays"
        note "$etc and $data; remove them too with --uninstall --purge"
        return
    fi
    step "Configuration, data and user"
    rm -rf -- "$etc" "$data"
    note "removed $etc and $data"
    # Another user was there before.
    if [[ -z $root && $user == mf2c ]] && getent passwd mf2c >/dev/null; then
        if command -v userdel >/dev/null; then userdel mf2c; else deluser mf2c; fi
        note "removed the user mf2c"
    fi
}

main() {
    given=("$@")
    arguments "$@"
    places
    need_root
    case $action in
        install) install_all ;;
        upgrade) upgrade ;;
        uninstall) uninstall ;;
    esac
    step "Done"
}

main "$@"
