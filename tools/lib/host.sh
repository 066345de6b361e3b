# shellcheck shell=bash
# Sourced by the scripts in tools/: installs what is missing, says what goes on.

say() {
    printf '%s\n' "$*"
}

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# Lines "package program" of packages.txt: all of them, or with `build` those without `test`.
packages() {
    awk -v kind="$1" '!/^#/ && NF && (kind == "all" || $2 == "") { print $1, $3 }' \
        "$ROOT/tools/lib/packages.txt"
}

installed() {
    dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed' ||
        { [ -n "$2" ] && command -v "$2" >/dev/null; }
}

# Installs what dpkg does not know as installed; nothing to do costs no network.
need_packages() {
    local missing=()
    local name program
    if ! command -v dpkg-query >/dev/null; then
        say "note: no dpkg here; taking the packages of tools/lib/packages.txt for granted"
        return 0
    fi
    while read -r name program; do
        installed "$name" "$program" || missing+=("$name")
    done < <(packages "$1")
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" != 0 ]; then
        die "missing packages; as root: apt-get install -y --no-install-recommends ${missing[*]}"
    fi
    say "installing ${#missing[@]} Debian packages: ${missing[*]}"
    mkdir -p "$LOGS"
    {
        apt-get update &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
                "${missing[@]}"
    } >"$LOGS/apt.log" 2>&1 || {
        tail -n 20 "$LOGS/apt.log"
        die "apt-get failed; the whole story is in $LOGS/apt.log"
    }
}

# The C compiler, through ccache where it is installed.
compiler() {
    if command -v ccache >/dev/null; then
        printf 'ccache %s' "$1"
    else
        printf '%s' "$1"
    fi
}

# configure DIR LOG MESON_OPTION...: once; later runs of ninja notice what changed.
configure() {
    local dir=$1 log=$2
    shift 2
    [ -f "$dir/build.ninja" ] && return 0
    rm -rf "$dir"
    CC=$(compiler gcc) meson setup "$dir" "$ROOT" "$@" >"$log" 2>&1 || {
        tail -n 30 "$log"
        die "meson setup failed; the whole story is in $log"
    }
}

# compile DIR LOG [TARGET...]: all, or the targets.
compile() {
    local dir=$1 log=$2
    shift 2
    ninja -C "$dir" "$@" >>"$log" 2>&1 || {
        grep -E 'error|FAILED|undefined' "$log" | head -n 30
        die "the build failed; the whole story is in $log"
    }
}
