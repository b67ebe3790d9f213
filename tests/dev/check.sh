# shellcheck shell=bash
# ./dev check: all tests, the quick ones first. Sourced by dev at the top of the repository; $python is its.
#
# Every result ends up in one of two forms, which tests/dev/tally.py counts: automake's .trs files (unit tests, and the steps below), and
# pytest's JUnit files.

results=build/results
# What unit and integration tests are run under.
under=()

# begin WHAT ... end: says how long it took.
begin() {
    printf '\n== %s\n' "$*"
    SECONDS_AT=$SECONDS
}

end() {
    printf '   %d s\n' $((SECONDS - SECONDS_AT))
}

# result PASS|FAIL NAME: one test of its own.
result() {
    printf ':test-result: %s %s\n' "$1" "$2" >>"$results/steps.trs"
    [[ $1 == PASS ]] || printf 'FAILED: %s\n' "$2"
}

# step NAME COMMAND...: a command that is one test.
step() {
    local name=$1

    shift
    if "$@"; then result PASS "$name"; else result FAIL "$name"; fi
}

has_failures() {
    grep -rlE '^:test-result: (FAIL|XPASS|ERROR)' "$@" --include='*.trs' 2>/dev/null
}

# unit_tests DIR [VARIABLE=VALUE...]: `make check` there, and the output of each test that failed. Most of them wait more than they compute.
unit_tests() {
    local dir=$1 failed trs

    shift
    find "$dir" \( -path "$dir/asan" -o -path "$dir/tsan" -o -path "$dir/fuzz" -o -path "$dir/coverage" -o -path "$results" \) -prune -o -name '*.trs' -exec rm -f {} +
    if ! leashed "${under[@]}" make -C "$dir" -k -j$((2 * $(nproc))) check "$@" >"$dir/check.log" 2>&1; then
        failed=$(has_failures "$dir"/*.trs "$dir/tests" || true)
        for trs in $failed; do
            printf -- '-- %s\n' "${trs%.trs}"
            grep -vE '^(ok |PASS: )' "${trs%.trs}.log" | tail -n 100
        done
        if [[ -z $failed ]]; then
            tail -n 60 "$dir/check.log"
            result FAIL "make check in $dir"
        fi
    fi
}

# integration_tests NAME BUILD ARGUMENT...
integration_tests() {
    local name=$1 build=$2 status=0

    shift 2
    BUILDDIR=$PWD/$build PGWAKED=$PWD/$build/pgwaked PGWAKE=$PWD/$build/pgwake \
        leashed "${under[@]}" "${python:?}" -B -m pytest -q --tb=short -p no:cacheprovider --junitxml="$results/$name.xml" \
        -o junit_logging=system-out "$@" || status=$?
    case $status in
    0) ;;
    1) [[ -s $results/$name.xml ]] || result FAIL "pytest ($name)" ;;
    *) result FAIL "pytest ($name): exit code $status" ;;
    esac
}

# A seed for each change, so that what was seen of it is seen again.
seed_of_the_tree() {
    printf '%d' "0x$(git rev-parse --short=7 'HEAD^{tree}' 2>/dev/null || printf '%x' "$RANDOM")"
}

# New worlds for each change, as many as fit a minute; a breach is made smaller for 20 s more. On a machine that is busy a world may take long:
# what does not end is a failure.
simulated_worlds() {
    built_simulator || return
    leashed timeout --kill-after=10 300 build/simulation/tests/simulation/simulate --seed "$(seed_of_the_tree)" --worlds 100000 --days 30 --seconds 60
}

# What `make install` puts where, and that all of it goes away again.
installs() {
    local dest=$PWD/build/install

    rm -rf "$dest"
    quietly build/install.log make -C build install DESTDIR="$dest" || return
    local file
    for file in usr/sbin/pgwaked usr/bin/pgwake etc/pgwaked/pgwaked.conf usr/lib/systemd/system/pgwaked.service \
        usr/lib/systemd/system/pgwaked.socket usr/lib/systemd/system/pgwaked-control.socket usr/lib/systemd/system/pgwake-wait@.service \
        usr/lib/systemd/system/pgwake-hold@.service usr/lib/sysusers.d/pgwaked.conf usr/lib/tmpfiles.d/pgwaked.conf \
        usr/share/bash-completion/completions/pgwake usr/share/zsh/site-functions/_pgwake usr/share/doc/pgwaked/examples/tcp.conf \
        usr/lib/systemd/catalog/pgwaked.catalog usr/share/man/man8/pgwaked.8 usr/share/man/man5/pgwaked.conf.5 \
        usr/share/man/man1/pgwake.1 usr/share/man/man7/pgwake-integration.7 usr/share/pgwaked/prometheus/pgwaked.rules.yml usr/share/pgwaked/grafana/pgwaked.json \
        usr/share/doc/pgwaked/examples/prometheus.yml; do
        [[ -e $dest/$file ]] || { say "make install did not bring $file"; return 1; }
    done
    ! grep -rl "$dest" "$dest" || { say "an installed file names DESTDIR"; return 1; }
}

unit_is_sound() {
    command -v systemd-analyze >/dev/null || { printf ':test-result: SKIP %s\n' "pgwaked.service (no systemd-analyze)" >>"$results/steps.trs"; return; }
    local complaints
    # It exits 0 whatever it says; that the programs are not installed on this machine is no fault of the unit.
    complaints=$(systemd-analyze verify --man=no build/install/usr/lib/systemd/system/pgwaked.service 2>&1 |
        grep -F pgwaked | grep -v 'is not executable' || true)
    if [[ -n $complaints ]]; then
        say "$complaints"
        return 1
    fi
}

# threads KIND: the tests of that kind that tests/dev/threads names.
threads() {
    awk -v kind="$1" '$1 == kind { print $2 }' tests/dev/threads
}

# races BUILD: its tests with several threads, under ThreadSanitizer. Its reports go to stderr, where the rig finds them; a program with a
# report ends with 66, which fails a unit test.
races() {
    local build=$1 units pytests patience

    # It is three to ten times as slow as the plain build.
    patience=$("$python" -c "print(2 * $RIG_PATIENCE)")
    local -x RIG_PATIENCE=$patience
    local -x TSAN_OPTIONS=${TSAN_OPTIONS-exitcode=66:second_deadlock_stack=1}
    # It keeps its shadow at fixed places, and gcc 12's gives up where the kernel scatters memory over more than 28 bits (vm.mmap_rnd_bits,
    # which only root can read). So nothing is scattered, where that can be had: a container may forbid it.
    local under=()
    if setarch -R true 2>/dev/null; then under=(setarch -R); fi
    if ! "${under[@]}" "$build/pgwaked" --version >/dev/null; then
        say "ThreadSanitizer does not run here; sysctl -w vm.mmap_rnd_bits=28 may help"
        result FAIL "ThreadSanitizer runs"
        return
    fi

    begin "unit tests with threads"
    units=$(threads unit | sed 's,^,tests/unit/,' | tr '\n' ' ')
    unit_tests "$build" check_PROGRAMS="$units" TESTS="$units"
    end
    begin "integration tests with threads"
    mapfile -t pytests < <(threads pytest | sed 's,^,tests/,'; threads not | sed 's,^,--deselect=,')
    integration_tests threads "$build" -n 4 "${pytests[@]}"
    end
}

# busy: two loops per core that do nothing but compute, until the end of this shell, whatever ends it.
busy_pids=()

busy() {
    local i

    trap idle EXIT
    for ((i = 0; i < 2 * $(nproc); i++)); do
        # Each looks after its parent too: kill -9 runs no trap.
        "$python" -c 'import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(100000):
        pass' $$ </dev/null >/dev/null 2>&1 &
        busy_pids+=($!)
    done
    say "Beside ${#busy_pids[@]} busy loops: ${busy_pids[*]}"
}

idle() {
    ((${#busy_pids[@]})) || return 0
    kill "${busy_pids[@]}" 2>/dev/null || true
    wait "${busy_pids[@]}" 2>/dev/null || true
    busy_pids=()
}

check() {
    local no_skips='' beside_loops='' argument

    for argument; do
        case $argument in
        --no-skips) no_skips=--no-skips ;;
        --busy) beside_loops=yes ;;
        *) die "usage: ./dev check [--no-skips] [--busy]" ;;
        esac
    done
    # Several tests at a time beside a build make a busy machine: every deadline of the rig is stretched. What a test measures it prints.
    export RIG_PATIENCE=${RIG_PATIENCE-3}
    # And so is what ends a test that waits for ever (tests/pytest.ini).
    export PYTEST_TIMEOUT=${PYTEST_TIMEOUT-1200}
    # Pictures of the page for people.
    export RIG_ARTEFACTS=$PWD/$results
    # What the client that asks at random asks.
    RIG_SEED=${RIG_SEED-$(seed_of_the_tree)}
    export RIG_SEED
    export ASAN_OPTIONS=${ASAN_OPTIONS-detect_leaks=1:detect_stack_use_after_return=1}
    export UBSAN_OPTIONS=${UBSAN_OPTIONS-print_stacktrace=1:halt_on_error=1}

    need build check
    rm -rf "$results"
    mkdir -p "$results"
    if [[ $beside_loops ]]; then
        busy
    fi

    begin "build, every warning an error"
    if built build --enable-werror; then
        end
        begin "unit tests, floors, documents"
        unit_tests build
        end
        begin "simulated worlds"
        step "./dev simulate" simulated_worlds
        step "tests/simulation/mutants --find" tests/simulation/mutants --find
        end
        begin "make install"
        step "make install" installs
        step "systemd-analyze verify pgwaked.service" unit_is_sound
        end
    else
        result FAIL "build"
    fi

    begin "build with AddressSanitizer and UndefinedBehaviorSanitizer"
    if built build/asan --enable-werror --enable-sanitizers; then
        end
        begin "unit tests with sanitizers"
        unit_tests build/asan
        end
        begin "integration tests with sanitizers"
        integration_tests sanitized build/asan -n 5 -m 'not plain and not race' tests/rig tests/integration
        end
    else
        result FAIL "build with sanitizers"
    fi

    begin "build with ThreadSanitizer"
    if built build/tsan --enable-werror --enable-sanitizers=thread; then
        end
        races build/tsan
    else
        result FAIL "build with ThreadSanitizer"
    fi

    if [[ -x build/pgwaked ]]; then
        begin "integration tests that want the plain build (figures, valgrind)"
        integration_tests plain build -m '(plain or figure) and not machine' tests/integration
        end
        begin "integration tests in machines with a systemd of their own"
        integration_tests machine build -n 4 --dist loadfile -m machine tests/integration
        end
        begin "the demonstration"
        step "./dev demo" quietly build/demo.log env PGWAKED="$PWD/build/pgwaked" PGWAKE="$PWD/build/pgwake" "$python" -B tests/dev/demo.py
        end
        begin "make distcheck"
        step "make distcheck" quietly build/distcheck.log make -C build -j$((2 * $(nproc))) distcheck
        end
    fi

    printf '\n'
    "$python" -B tests/dev/tally.py ${no_skips:+"$no_skips"} build
}
