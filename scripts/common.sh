# shellcheck shell=bash
# What the scripts beside this have in common; they source it. It prints to standard error, but for `say`.

say() { printf '%s\n' "$*"; }

fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    (($# == 0)) || printf '       %s\n' "$@" >&2
    exit 1
}

# compiles LANGUAGE COMPILER HEADER : whether a program compiles; a compiler without the system's headers is not enough.
compiles() {
    command -v "$2" >/dev/null && printf '#include <%s>\nint main() { return 0; }\n' "$3" | "$2" -x "$1" - -o /dev/null 2>/dev/null
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
        printf '    sudo may ask for your password\n' >&2
    fi
    {
        "${as_root[@]}" apt-get update -qq &&
            "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
    } >&2 || fail "could not install $*" "Try it by hand: apt-get install $*"
}

# Finds Rust, and refuses one that is too old.
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
