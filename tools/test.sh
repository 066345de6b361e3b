#!/usr/bin/env bash
# Builds and tests everything: tools/test.sh [quick|lint]
#
# The last line is "N passed, N failed, N skipped"; the exit status is 0 only without a failure.
# What does not build counts as one failure, and the other builds still run.
# quick: the suites arch, golden and unit in one plain checked build, without network use.
# lint:  clang-tidy over the product and shellcheck over every script; takes minutes.
# Everything long goes to files under build-test/logs.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/.." && pwd)
OUT="$ROOT/build-test"
LOGS="$OUT/logs"
# Time limits find what hangs; a machine that is busy with other things is no failure.
TIMES=3
# shellcheck source=tools/lib/host.sh
. "$ROOT/tools/lib/host.sh"

passed=0
failed=0
skipped=0

# add PASSED FAILED SKIPPED: to what is told in the end.
add() {
    passed=$((passed + $1))
    failed=$((failed + $2))
    skipped=$((skipped + $3))
}

# at_once SUITE: how many of its tests run beside each other. Clients mostly wait for each other.
at_once() {
    case "$1" in
    interop | crash) echo $((3 * $(nproc))) ;;
    *) nproc ;;
    esac
}

# told BUILD SUITE LOG STATUS: adds up and tells what one suite did in a call of meson test that
# ended with STATUS.
told() {
    local build=$1 suite=$2 log=$3 status=$4 counts
    read -r -a counts < <(python3 "$ROOT/tools/lib/sum_tests.py" \
        "$OUT/$build/meson-logs/testlog.json" "$suite" 2>"$LOGS/$suite.failed")
    if [ "${counts[*]}" = "0 0 0" ]; then
        counts[1]=1 # It broke before it could say what.
        printf 'FAILED suite %s: meson test ended with %d\n' "$suite" "$status" \
            >"$LOGS/$suite.failed"
        tail -n 30 "$log" >>"$LOGS/$suite.failed"
    fi
    add "${counts[@]}"
    printf '%-8s %6d passed %4d failed %4d skipped  (%s build)\n' "$suite" "${counts[@]}" "$build"
    if [ "${counts[1]}" -gt 0 ]; then
        head -n 100 "$LOGS/$suite.failed"
        say "the whole story is in $log"
    fi
}

# run_suites BUILD SUITE...: runs them in one call of meson test, in which a CPU that has nothing
# left to do for one suite goes on with the next, and adds up their results.
run_suites() {
    local build=$1 suite started=$SECONDS status=0 failed_before=$failed
    local -a chosen=()
    shift
    local names="$*"
    local log="$LOGS/${names// /-}.log"
    for suite in "$@"; do
        chosen+=(--suite "$suite")
    done
    rm -f "$OUT/$build/meson-logs/testlog.json"
    meson test -C "$OUT/$build" --no-rebuild "${chosen[@]}" --print-errorlogs \
        --num-processes "$(at_once "$1")" \
        --timeout-multiplier "$TIMES" >"$log" 2>&1 || status=$?
    for suite in "$@"; do
        told "$build" "$suite" "$log" "$status"
    done
    if [ "$status" -ne 0 ] && [ "$failed" -eq "$failed_before" ]; then
        add 0 1 0
        printf 'FAILED suite %s: meson test ended with %d\n' "$names" "$status"
        tail -n 30 "$log"
    fi
    printf '         %s in %d s\n' "$names" $((SECONDS - started))
}

# suites BUILD SUITE[+SUITE...]...: runs those of the named suites that the tree has tests for.
suites() {
    local build=$1 together suite have
    local -a here
    shift
    have=$(meson introspect --tests "$OUT/$build" |
        python3 -c 'import json, sys
print(*{s.split(":")[-1] for t in json.load(sys.stdin) for s in t["suite"]})')
    for together in "$@"; do
        here=()
        for suite in ${together//+/ }; do
            case " $have " in
            *" $suite "*) here+=("$suite") ;;
            *) printf '%-8s has no test in this tree\n' "$suite" ;;
            esac
        done
        [ ${#here[@]} -eq 0 ] || run_suites "$build" "${here[@]}"
    done
}

# compile_suites NAME LOG "SUITE..." MESON_OPTION...: in a subshell, which a failure ends.
compile_suites() {
    local name=$1 log=$2 targets
    local -a suites
    read -r -a suites <<<"${3//+/ }"
    shift 3
    configure "$OUT/$name" "$log" "$@"
    compile "$OUT/$name" "$log" build.ninja
    targets=$(python3 "$ROOT/tools/lib/suite_targets.py" "$OUT/$name" "${suites[@]}") ||
        die "meson does not tell what the tests need"
    # shellcheck disable=SC2086  # A list of names without blanks.
    compile "$OUT/$name" "$log" $targets
}

# build NAME "SUITE[+SUITE...]..." MESON_OPTION...: what these suites need, then the suites; those
# joined by a + run together.
build() {
    local name=$1 started=$SECONDS
    local -a suites
    read -r -a suites <<<"$2"
    if ! (compile_suites "$name" "$LOGS/build-$name.log" "${@:2}"); then
        say "FAILED to build $name: no test of it ran"
        add 0 1 0
        return 0
    fi
    printf 'built    %s in %d s\n' "$name" $((SECONDS - started))
    suites "$name" "${suites[@]}"
}

# What is cheap and fails first stands first.
full() {
    build checked "arch+fuzz+golden+unit sim" -Dbuildtype=debugoptimized \
        -Db_sanitize=address,undefined
    # The race tests bring their own -fsanitize=thread, into a build without any other.
    build release "tsan counts smoke hostile crash+interop planted" -Dbuildtype=release \
        -Dc_args=-DMILLRACE_CHECKED=1
}

# lint_step NAME COMMAND...: one line, and what it found.
lint_step() {
    local name=$1 started=$SECONDS
    shift
    if "$@" >"$LOGS/$name.log" 2>&1; then
        printf '%-10s ok in %d s\n' "$name" $((SECONDS - started))
        add 1 0 0
    else
        grep -E ': (warning|error):|^In .* line' -A 3 "$LOGS/$name.log" | head -n 100
        say "FAILED $name; the whole story is in $LOGS/$name.log"
        add 0 1 0
    fi
}

tidy() {
    python3 "$ROOT/tools/lib/tidy_files.py" "$ROOT" "$OUT/quick" |
        xargs -P "$(nproc)" -n 4 clang-tidy -p "$OUT/quick" --quiet --warnings-as-errors='*' \
            --extra-arg=-Wno-unknown-warning-option
}

check_scripts() {
    (cd "$ROOT" && shellcheck -x .ci/run tools/*.sh tools/lib/*.sh tests/*/*.sh)
}

lint() {
    local log="$LOGS/build-quick.log"
    configure "$OUT/quick" "$log" -Dbuildtype=debugoptimized
    compile "$OUT/quick" "$log" # Generated headers must be there.
    lint_step shellcheck check_scripts
    lint_step clang-tidy tidy
}

main() {
    local mode=${1:-full}
    case "$mode" in
    quick | full | lint) ;;
    *)
        say "usage: tools/test.sh [quick|lint]" >&2
        exit 2
        ;;
    esac
    mkdir -p "$LOGS"
    need_packages all
    case "$mode" in
    quick) build quick "arch+golden+unit" -Dbuildtype=debugoptimized ;;
    *) "$mode" ;;
    esac
    say "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}

main "$@"
