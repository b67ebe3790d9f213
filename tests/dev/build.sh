# shellcheck shell=bash
# Builds below build/, out of the tree. Sourced at the top of the repository.

# leashed COMMAND...: a program in a session of its own, all of which ends when a signal ends us: a shell that a signal ends lets its
# children go on, and with a trap it waits for the one in the foreground. It has no stdin and no terminal.
leashed() {
    local status=0

    setsid "$@" &
    wait $! || status=$?
    return "$status"
}

# ended SIGNAL: ends what is leashed, and us as the signal would have.
ended() {
    local leader

    trap '' HUP INT TERM
    for leader in $(jobs -p); do
        # Before it has a session it is alone.
        kill -TERM -- "-$leader" 2>/dev/null || kill -TERM "$leader" 2>/dev/null || true
        wait "$leader" || true
        kill -KILL -- "-$leader" 2>/dev/null || true
    done
    exit $((128 + $1))
}

trap 'ended 1' HUP
trap 'ended 2' INT
trap 'ended 15' TERM

# quietly LOG COMMAND...: shows the end of its output, and only when it fails.
quietly() {
    local log=$1

    shift
    mkdir -p "$(dirname "$log")"
    leashed "$@" >"$log" 2>&1 && return
    tail -n 60 "$log" >&2
    return 1
}

# configured DIR OPTION...: ./configure in DIR, unless it was done with these options already.
configured() {
    local dir=$1 stamp=$1/.configured-with

    shift
    if [[ ! -x configure ]]; then
        quietly build/autoreconf.log autoreconf -i || return
    fi
    if [[ -e $dir/Makefile && -e $stamp && $(<"$stamp") == "$*" ]]; then
        return
    fi
    mkdir -p "$dir" && rm -f "$stamp"
    quietly "$dir/configure.log" env -C "$dir" "$PWD/configure" \
        --prefix=/usr --sysconfdir=/etc --localstatedir=/var --runstatedir=/run "$@" || return
    # What was compiled with other options is not up to date.
    quietly "$dir/clean.log" make -C "$dir" clean || return
    printf '%s' "$*" >"$stamp"
}

# built DIR OPTION...: DIR/pgwaked and DIR/pgwake, up to date.
built() {
    configured "$@" && quietly "$1/make.log" make -C "$1" -j"$(nproc)" all
}

# The simulator, optimised over all files: it is twice as fast.
built_simulator() {
    configured build/simulation CFLAGS='-O3 -g -flto' AR=gcc-ar RANLIB=gcc-ranlib &&
        quietly build/simulation/make.log make -C build/simulation -j"$(nproc)" tests/simulation/simulate
}

# The fuzzers, for libFuzzer: all of them, each with AddressSanitizer and UndefinedBehaviorSanitizer.
built_fuzzers() {
    configured build/fuzz CC=clang AR=llvm-ar RANLIB=llvm-ranlib CFLAGS='-O1 -g' --enable-werror \
        --enable-sanitizers=fuzzer-no-link,address,undefined &&
        quietly build/fuzz/make.log make -C build/fuzz -j"$(nproc)" fuzzers
}

# The normal build, with the options that it has already, for those who only want to run it.
built_anyhow() {
    local options=()

    if [[ -e build/.configured-with ]]; then
        read -ra options < <(cat build/.configured-with; echo)
    fi
    built build "${options[@]}" || die "it does not build; the logs are in build/"
    export PGWAKED=$PWD/build/pgwaked PGWAKE=$PWD/build/pgwake
}
