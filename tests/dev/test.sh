# shellcheck shell=bash
# ./dev test and ./dev quick: some tests at once, while one works. Sourced by dev at the top of the repository; $python is its.

# unit_test BUILD NAME: builds and runs it alone; what it prints is seen as it is.
unit_test() {
    quietly "$1/make.log" make -C "$1" -j"$(nproc)" pgwaked pgwake "tests/unit/$2" &&
        (cd "$1" && top_srcdir=${top:?} PGWAKED=$PWD/pgwaked PGWAKE=$PWD/pgwake "tests/unit/$2")
}

# What of the tests' names NAME means, on stdout, as "kind what"; nothing: no test has it.
meaning_of() {
    local name=${1#"$top"/} file

    file=${name%%::*}
    if [[ -e tests/unit/${file##*/} && $file == *.c || -e tests/unit/${file##*/}.c ]]; then
        file=${file##*/}
        printf 'unit %s\n' "${file%.c}"
    elif [[ -e tests/simulation/scenarios/$(basename "$file" .scenario).scenario ]]; then
        printf 'scenario %s\n' "tests/simulation/scenarios/$(basename "$file" .scenario).scenario"
    else
        for folder in '' tests/integration/ tests/rig/; do
            for each in "$folder$file" "$folder$file.py"; do
                if [[ -f $each && $each == *.py ]]; then
                    printf 'pytest %s\n' "$each${name#"$file"}"
                    return
                fi
            done
        done
        # A part of a test's name, as pytest -k takes it.
        if grep -qE "def test_.*${file//[^A-Za-z0-9_]/.}" tests/integration/*.py tests/rig/*.py; then
            printf 'part %s\n' "$name"
        fi
    fi
}

run_tests() {
    local build=build options=(--enable-werror) status=0 name kind what parts='' files=() scenarios=()

    if [[ ${1-} == --sanitized ]]; then
        shift
        build=build/asan
        options+=(--enable-sanitizers)
    fi
    (($#)) || die "usage: ./dev test [--sanitized] NAME... (a unit test, a file or a test of pytest, a part of its name, a scenario)"
    need build check
    built "$build" "${options[@]}" || die "it does not build; the logs are in $build"
    for name; do
        read -r kind what <<<"$(meaning_of "$name")" || true
        case $kind in
        unit) unit_test "$build" "$what" || status=1 ;;
        scenario) scenarios+=("$what") ;;
        pytest) files+=("$what") ;;
        part) parts+="${parts:+ or }$what" ;;
        *) die "no test is called '$name': a unit test (test-store), a file of pytest (test_store.py), one of its tests (test_store.py::test_...), a part of a test's name, or a scenario (falls-asleep)" ;;
        esac
    done
    if ((${#scenarios[@]})); then
        built_simulator || die "the simulator does not build; the logs are in build/simulation"
        leashed build/simulation/tests/simulation/simulate --trace "${scenarios[@]}" || status=1
    fi
    if [[ $parts ]]; then
        pytests "$build" -k "$parts" tests/rig tests/integration || status=1
    fi
    if ((${#files[@]})); then
        pytests "$build" "${files[@]}" || status=1
    fi
    return "$status"
}

pytests() {
    local build=$1

    shift
    RIG_PATIENCE=${RIG_PATIENCE-2} BUILDDIR=$PWD/$build PGWAKED=$PWD/$build/pgwaked PGWAKE=$PWD/$build/pgwake \
        leashed "${python:?}" -B -m pytest -q --tb=short -p no:cacheprovider "$@"
}

# All unit tests but the one that waits for most of a minute, the floors, the documents, and every scenario.
quick() {
    local tests

    need build check
    built build --enable-werror || die "it does not build; the logs are in build"
    # shellcheck disable=SC2016 # make's own variable
    tests=$(make -s -C build --eval='list: ; @echo $(TESTS)' list)
    tests=" $tests "
    tests=${tests/ tests\/unit\/test-store / }
    leashed make -C build -k -j$((2 * $(nproc))) check TESTS="$tests" >build/quick.log 2>&1 || {
        grep -E '^(FAIL|ERROR)|error' build/quick.log || true
        die "the whole of it is in build/quick.log"
    }
    grep -E '^# (TOTAL|PASS|FAIL)' build/quick.log
}
