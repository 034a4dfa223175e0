# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the scripts of deploy/, tests/run and bench/run share: messages, packages, builds, processes. To be sourced; it
# does nothing by itself. Whoever sources it sets ROOT, the top of the tree, and ME, what messages call the script.

say() {
    printf '%s\n' "$*" | fmt -s -w 80
}

# complain_of TEXT…: to standard error, each text with the script's name before it.
complain_of() {
    local text
    for text in "$@"; do
        printf '%s: %s\n' "$ME" "$text" | fmt -s -w 80
    done >&2
}

# die TEXT [REMEDY]: ends the script, with what went wrong and what to do about it.
die() {
    complain_of "$@"
    exit 1
}

# wrong_usage TEXT: the same for wrong arguments: first what is wrong, then how it is right.
wrong_usage() {
    complain_of "$1"
    { printf '\n' && usage; } >&2
    exit 2
}

may_be_root() {
    [[ $EUID -eq 0 ]] || command -v sudo >/dev/null
}

# as_root COMMAND…: as it is for root, else through sudo, and aloud. Ask may_be_root first.
as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    else
        say "With sudo: $*"
        sudo "$@"
    fi
}

# require_debian FILE: FILE says what system this is: /etc/os-release. Debian's coming version has no number yet.
require_debian() {
    local id='' version='' is=''
    local by_hand="or install what deploy/packages.build names in any other way, and run: cmake --preset release &&\
 cmake --build --preset release"
    if [[ -r $1 ]]; then
        # shellcheck source=/dev/null
        read -r id version is < <(. "$1" && printf '%s %s %s\n' "${ID:-unknown}" "${VERSION_ID:-99}" \
            "${PRETTY_NAME:-${ID:-unknown}}")
    fi
    [[ $id == debian ]] || die "this is ${is:-no system that says its name}, and this script knows Debian only" \
        "use Debian 12 or newer, a container will do; $by_hand"
    [[ ${version%%.*} -ge 12 ]] || die "this is $is, which is too old: its compiler and libraries are" \
        "upgrade to Debian 12 or newer, or use a container of it; $by_hand"
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
    may_be_root || die "packages are missing, and you are neither root nor is there sudo" \
        "run this as root, then this script again as yourself: apt-get install ${missing[*]}"
    say "Installing ${missing[*]}"
    apt update || die "apt-get could not read its package lists" \
        "check the network and /etc/apt/sources.list*, then run this again"
    apt install --yes --no-install-recommends "${missing[@]}" || die "apt-get could not install ${missing[*]}" \
        "read its message above; often 'apt-get -f install' or another Debian mirror helps; then run this again"
}

# first_of_others FOLDER: of the folder, what is in it and what is in that, something that this user may not write.
first_of_others() {
    find "$1" -maxdepth 2 ! -type l ! -writable -print -quit 2>/dev/null
}

# own_build: build/ is there, this user's to write and nobody else's to build in until the script ends. Nothing that is
# there is touched.
own_build() {
    local build=$ROOT/build other
    mkdir -p "$build" 2>/dev/null || true
    [[ -d $build ]] || die "you may not write $ROOT, it belongs to $(stat -c %U "$ROOT")" "use a clone of your own"
    other=$(first_of_others "$build") || true
    [[ -z $other ]] || die "you may not write ${other#"$ROOT/"}, it belongs to $(stat -c %U "$other")" \
        "give it back (sudo chown -R $(id -un) build), run this as root, or use a clone of your own"
    exec {BUILD_LOCK}>"$build/.lock"
    flock -n "$BUILD_LOCK" && return
    complain_of "another build runs in this tree: this one waits for it"
    flock "$BUILD_LOCK"
}

# free_build: others may build. What goes on running when the script has ended must not hold them up.
free_build() {
    exec {BUILD_LOCK}>&-
}

# configure_preset NAME: quiet, unless it fails. Always anew: the build itself would not notice a folder that came.
configure_preset() {
    local log=$ROOT/build/$1.log
    if ! cmake -S "$ROOT" --preset "$1" >"$log" 2>&1; then
        cat "$log" >&2
        return 1
    fi
}

# where_cmake_says NAME: the remedy when configure_preset failed.
where_cmake_says() {
    printf 'CMake says why, above and in build/%s.log, behind "CMake Error"; ' "$1"
    printf 'if it speaks of a directory that moved, remove build/%s; then run this again' "$1"
}

# has_no_work NAME: what configure_preset has just written is up to date. By this name the build does not know its own
# plan; by the usual one it would first look which files came or went, and count that as work.
has_no_work() {
    ninja -C "$ROOT/build/$1" -f "$ROOT/build/$1/build.ninja" -n 2>/dev/null | grep 'no work to do' >/dev/null
}

# build_preset NAME: shows the work, if there is any.
build_preset() {
    if has_no_work "$1"; then
        return
    fi
    say "Building preset $1"
    (cd "$ROOT" && cmake --build --preset "$1")
}

# build_release: packages and the release build, as deploy/up and deploy/demo need them.
build_release() {
    require_debian /etc/os-release
    own_build
    ensure_packages "$ROOT/deploy/packages.build"
    configure_preset release || die "the build could not be configured" "$(where_cmake_says release)"
    build_preset release || die "the build failed" "read the compiler's message above"
}

# stage PREFIX: the files as an installation lays them out, in a folder of the build's own, STAGE. Comparing with it
# tells what an installation would change, without the rights to change it.
stage() {
    local log
    STAGE=$ROOT/build/release/stage
    rm -rf "$STAGE"
    log=$(DESTDIR="$STAGE" cmake --install "$ROOT/build/release" --prefix "$1" 2>&1) || {
        printf '%s\n' "$log" >&2
        die "the build could not be laid out in $STAGE" "read CMake's message above"
    }
    mkdir -p "$STAGE"
}

# is_process PID WORD: whether a process of that number runs with WORD on its command line: numbers are given out again.
# One that has ended and that nobody has waited for has no command line.
is_process() {
    [[ $1 =~ ^[1-9][0-9]*$ ]] && tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | grep -xF -- "$2" >/dev/null
}

# process_in FILE WORD: the number in the file, if such a process runs.
process_in() {
    local pid=''
    [[ -r $1 ]] || return 1
    read -r pid <"$1" || true
    is_process "$pid" "$2" 2>/dev/null && printf '%s' "$pid"
}

# end_process FILE WORD: ends the process whose number the file has, if it runs; by force after 20 seconds.
end_process() {
    local pid tries
    pid=$(process_in "$1" "$2") || return 0
    kill "$pid" 2>/dev/null || true
    for ((tries = 0; tries < 400; tries++)); do
        is_process "$pid" "$2" 2>/dev/null || return 0
        sleep 0.05
    done
    complain_of "process $pid did not end in 20 seconds: it is killed"
    kill -KILL "$pid" 2>/dev/null || true
}

# remove_folders FILE…: the folders that they were in, where those lie below PREFIX and are empty now. What the system
# has below /usr/local stays.
remove_folders() {
    local file folder
    for file in "$@"; do
        folder=${file%/*}
        while [[ $folder == "$PREFIX"/* && ($PREFIX != /usr/local || $folder == */warren) ]]; do
            [[ ! -d $folder ]] || rmdir --ignore-fail-on-non-empty "$folder"
            folder=${folder%/*}
        done
    done
}
