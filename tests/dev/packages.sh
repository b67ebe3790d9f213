# shellcheck shell=bash
# Installs what ./dev needs and the machine lacks: the list is tests/dev/packages. Sourced at the top of the repository.

say() { printf '%s\n' "$*"; }
die() { printf './dev: %s\n' "$*" >&2; exit 1; }

# "package why" for each package of these purposes, once.
packages_for() {
    awk -v purposes=" $* " '/^[a-z]/ && index(purposes, " " $1 " ") && !seen[$2]++ { sub(/^[a-z]+ +/, ""); print }' tests/dev/packages
}

is_installed() {
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo -- "$@"; fi
}

# PostgreSQL's package would make and start a database cluster of the machine's own. Tests and demo bring theirs: it is told not to.
no_cluster=/etc/postgresql-common/createcluster.d/pgwaked-dev.conf

# The packages of Prometheus and nginx would start one, and enable it for every boot. Tests start their own, for as long as they need it.
policy=/usr/sbin/policy-rc.d

# starting_nothing COMMAND...: no package may start a service meanwhile.
starting_nothing() {
    if [[ -e $policy ]]; then
        "$@"
        return
    fi
    (
        trap 'as_root rm -f "$policy"' EXIT
        as_root tee "$policy" >/dev/null <<<$'#!/bin/sh\nexit 101' && as_root chmod 755 "$policy" && "$@"
    )
}

# disable_service NAME: it does not start at the next boot either, in whichever of Debian's two ways that was to be.
disable_service() {
    ! command -v systemctl >/dev/null || as_root systemctl -q disable "$1.service" >>build/apt.log 2>&1 || return
    ! command -v update-rc.d >/dev/null || as_root update-rc.d "$1" disable >>build/apt.log 2>&1
}

apt_install() {
    local status=0

    if [[ " $* " == *" postgresql "* ]]; then
        as_root mkdir -p "${no_cluster%/*}" && as_root tee "$no_cluster" >/dev/null <<<'create_main_cluster = false' || return
    fi
    starting_nothing as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$@" >build/apt.log 2>&1 ||
        status=$?
    if [[ -e $no_cluster ]]; then
        as_root rm -f "$no_cluster"
        as_root rmdir --ignore-fail-on-non-empty "${no_cluster%/*}"
    fi
    local service
    for service in prometheus nginx; do
        if ((status == 0)) && [[ " $* " == *" $service "* ]]; then
            disable_service "$service" || status=$?
        fi
    done
    return "$status"
}

# need PURPOSE...
need() {
    local package why missing=()

    if ! command -v dpkg-query >/dev/null; then
        say "This is not Debian, so nothing is installed here; tests/dev/packages lists what is needed, by Debian's names."
        return
    fi
    while read -r package why; do
        is_installed "$package" && continue
        ((${#missing[@]})) || say "Missing, and installed now with apt-get:"
        printf '  %-26s%s\n' "$package" "$why"
        missing+=("$package")
    done < <(packages_for "$@")
    ((${#missing[@]})) || return 0

    ((EUID == 0)) || command -v sudo >/dev/null ||
        die "that takes root, and there is no sudo. As root: apt-get install --no-install-recommends ${missing[*]}"
    mkdir -p build
    # A fresh machine has no package lists, and an old one outdated ones: only then are they fetched.
    if ! apt_install "${missing[@]}"; then
        as_root apt-get -q update >build/apt.log 2>&1 || true
        apt_install "${missing[@]}" || { tail -n 20 build/apt.log >&2; die "apt-get failed; build/apt.log has all of it"; }
    fi
}
