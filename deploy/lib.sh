# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What deploy/up and tests/run share: messages, packages, builds. To be sourced; it does nothing by itself. Whoever
# sources it sets ROOT, the top of the tree.

say() {
    printf '%s\n' "$*"
}

# die TEXT [REMEDY]: ends the script, with what went wrong and what to do about it.
die() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    if [[ $# -gt 1 ]]; then
        printf '%s: %s\n' "${0##*/}" "$2" >&2
    fi
    exit 1
}

# as_root COMMAND…: as it is for root, else through sudo, and aloud.
as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
        return
    fi
    command -v sudo >/dev/null || die "this needs root: $*" "run this script as root, or install sudo"
    say "With sudo: $*"
    sudo "$@"
}

require_debian() {
    local id=unknown
    if [[ -r /etc/os-release ]]; then
        id=$(. /etc/os-release && printf '%s' "${ID:-unknown}")
    fi
    [[ $id == debian ]] && command -v dpkg-query >/dev/null && return
    die "this system is '$id', not Debian" \
        "use Debian 12; or install what deploy/packages.build names, and run cmake --preset release by hand"
}

# packages_in FILE…: the names alone, without the comments.
packages_in() {
    sed -e 's/#.*//' -e '/^[[:space:]]*$/d' -e 's/[[:space:]]//g' "$@"
}

# missing_packages FILE…: which of them are not installed.
missing_packages() {
    local installed
    # Of packages that dpkg never heard of it complains and fails; both are an answer here.
    # shellcheck disable=SC2046
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $(packages_in "$@") 2>/dev/null |
        sed -n 's/^installed //p') || true
    comm -23 <(packages_in "$@" | sort -u) <(sort -u <<<"$installed")
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@"
}

# ensure_packages FILE…: installs what is missing. With nothing missing it asks nobody.
ensure_packages() {
    local missing
    mapfile -t missing < <(missing_packages "$@")
    [[ ${#missing[@]} -gt 0 ]] || return 0
    say "Installing ${missing[*]}"
    apt update || die "apt-get could not read its package lists" \
        "check the network and /etc/apt/sources.list*, then run this again"
    apt install --yes --no-install-recommends "${missing[@]}" || die "apt-get could not install ${missing[*]}" \
        "read its message above; often 'apt-get -f install' or a Debian mirror that works helps; then run this again"
}

# configure_preset NAME: quiet, unless it fails. Always anew: the build itself would not notice a folder that came.
configure_preset() {
    local log
    if ! log=$(cmake -S "$ROOT" --preset "$1" 2>&1); then
        printf '%s\n' "$log" >&2
        return 1
    fi
}

# build_preset NAME: shows the work, if there is any.
build_preset() {
    if ninja -C "$ROOT/build/$1" -n 2>/dev/null | grep 'no work to do' >/dev/null; then
        return
    fi
    say "Building preset $1"
    (cd "$ROOT" && cmake --build --preset "$1")
}
