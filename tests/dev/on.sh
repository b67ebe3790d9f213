# shellcheck shell=bash
# A ./dev command on another release of Debian than this machine's: in a root of its own below build/on, made by debootstrap once and kept.
# Sourced by dev at the top of the repository.

codename_of() {
    case $1 in
    12) printf bookworm ;;
    13) printf trixie ;;
    *) return 1 ;;
    esac
}

# Where this machine's own packages come from.
mirror() {
    local site

    # shellcheck disable=SC2016
    site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | sed -n '/security/d; p; q')
    printf '%s' "${site:-http://deb.debian.org/debian}"
}

# release_root NUMBER: makes it where it is not there yet. An installation that was cut short is begun anew.
release_root() {
    local root=build/on/$1 codename

    codename=$(codename_of "$1")
    [[ ! -e $root/made ]] || return 0
    need root
    say "Installing Debian $1 ($codename) in $root ..."
    as_root rm -rf "$root" && mkdir -p "$root" || return
    as_root debootstrap --variant=minbase --include=ca-certificates,git "$codename" "$root/root" "$(mirror)" >"build/on/$1.log" 2>&1 || return
    # How this machine reaches its packages (a proxy, say) holds there too.
    apt-config dump Acquire | as_root tee "$root/root/etc/apt/apt.conf.d/90acquire" >/dev/null &&
        as_root tee "$root/root/etc/apt/apt.conf.d/90small" >/dev/null <<<'APT::Install-Recommends "false";' &&
        touch "$root/made"
}

# within ROOT COMMAND...: in namespaces of its own, so that nothing that is mounted or started outlives it.
within() {
    local root=$1

    shift
    # shellcheck disable=SC2016
    as_root unshare --mount --pid --fork --kill-child --propagation private sh -euc '
        root=$1
        shift
        mount --bind "$root" "$root"
        mount -t proc proc "$root/proc"
        mount --rbind /sys "$root/sys"
        mount --rbind /dev "$root/dev"
        mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
        mount -t tmpfs -o mode=0755 tmpfs "$root/run"
        mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
        mkdir -p "$root/run/lock"
        cp /etc/resolv.conf "$root/etc/resolv.conf"
        # No chroot: what enters this namespace later, or makes one of its own, is to be in the same root.
        cd "$root"
        pivot_root . .
        umount -l .
        exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root TERM=dumb \
            DEBIAN_FRONTEND=noninteractive sh -euc "cd /pgwaked && exec \"\$@\"" sh "$@"' sh "$root" "$@"
}

# on NUMBER ARGUMENT...: ./dev with these arguments there, in a clean clone of what is committed.
on() {
    local number=$1 root=build/on/$1/root

    codename_of "$number" >/dev/null || die "there is no Debian '$number' here: expected 12 or 13"
    shift
    release_root "$number" || die "Debian $number cannot be installed; the log is build/on/$number.log"
    if [[ -e $root/pgwaked ]]; then
        as_root git -C "$root/pgwaked" fetch -q && as_root git -C "$root/pgwaked" reset -q --hard FETCH_HEAD
    else
        as_root git clone -q "$PWD" "$root/pgwaked"
    fi || die "what is committed here cannot be fetched there"
    within "$root" apt-get -q update >"build/on/$number.log" 2>&1 || die "apt-get update fails there; the log is build/on/$number.log"
    within "$root" ./dev "$@"
}
