# shellcheck shell=bash
# ./dev coverage: what of daemon/ the tests run. Sourced by dev at the top of the repository, with check.sh; $python is its.

# Some minutes of tests/integration that meet most of the daemon.
chosen=(test_config.py test_command_line.py test_http.py test_exact_http.py test_random_client.py test_allocations.py test_accepting.py
    test_history.py test_store.py test_reload.py test_leases.py test_failures.py test_expect.py test_blocking.py test_clocks.py
    test_pgwake.py test_pgwake_hold.py test_pgwake_report.py test_awake_files.py test_agent.py test_notify.py test_passed_sockets.py)

# One thread's count must not overwrite another's.
built_for_coverage() {
    configured build/coverage CFLAGS='-O0 -g --coverage -fprofile-update=atomic -U_FORTIFY_SOURCE' LDFLAGS=--coverage &&
        quietly build/coverage/make.log make -C build/coverage -j"$(nproc)" all
}

coverage() {
    local tests=("${chosen[@]/#/tests/integration/}") suite="make check, and of tests/integration: ${chosen[*]}"

    case ${1-} in
    --all)
        tests=(tests/rig tests/integration)
        suite="make check, tests/rig and tests/integration, without machines of their own"
        ;;
    '') ;;
    *)
        tests=("$@")
        suite="make check, and $*"
        ;;
    esac
    # As slow as with ThreadSanitizer.
    export RIG_PATIENCE=${RIG_PATIENCE-6} PYTEST_TIMEOUT=${PYTEST_TIMEOUT-1200}
    results=build/coverage/results
    need build check
    built_for_coverage || die "it does not build; the logs are in build/coverage"
    find build/coverage -name '*.gcda' -delete
    rm -rf "$results"
    mkdir -p "$results"
    unit_tests build/coverage
    integration_tests coverage build/coverage -n "$(nproc)" -m 'not plain and not machine' "${tests[@]}"
    printf '\n'
    "${python:?}" -B tests/dev/coverage.py build/coverage "$suite"
    "$python" -B tests/dev/tally.py build/coverage
}
