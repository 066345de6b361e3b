#!/usr/bin/env bash
# Builds and tests everything: tools/test.sh [quick]
#
# The last line is "N passed, N failed, N skipped"; the exit status is 0 only without a failure.
# quick: the suites unit, arch and golden in one plain checked build, without network use.
# Everything long goes to files under build-test/logs.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/.." && pwd)
OUT="$ROOT/build-test"
LOGS="$OUT/logs"
# shellcheck source=lib/host.sh
. "$ROOT/tools/lib/host.sh"

passed=0
failed=0
skipped=0

# run_suite BUILD SUITE: runs one suite of one build and adds up its results.
run_suite() {
    local build=$1 suite=$2 log="$LOGS/$2.log" started=$SECONDS counts
    rm -f "$OUT/$build/meson-logs/testlog.json"
    meson test -C "$OUT/$build" --no-rebuild --suite "$suite" --print-errorlogs \
        >"$log" 2>&1 || true
    read -r -a counts < <(python3 "$ROOT/tools/lib/sum_tests.py" \
        "$OUT/$build/meson-logs/testlog.json" 2>"$LOGS/$suite.failed")
    passed=$((passed + counts[0]))
    failed=$((failed + counts[1]))
    skipped=$((skipped + counts[2]))
    printf '%-8s %6d passed %4d failed %4d skipped %5d s  (%s build)\n' \
        "$suite" "${counts[@]}" $((SECONDS - started)) "$build"
    if [ "${counts[1]}" -gt 0 ]; then
        head -n 100 "$LOGS/$suite.failed"
        say "the whole story is in $log"
    fi
}

# suites BUILD SUITE...: runs those of the named suites that the tree has tests for.
suites() {
    local build=$1 suite have
    shift
    have=$(meson introspect --tests "$OUT/$build" |
        python3 -c 'import json, sys
print(*{s.split(":")[-1] for t in json.load(sys.stdin) for s in t["suite"]})')
    for suite in "$@"; do
        case " $have " in
        *" $suite "*) run_suite "$build" "$suite" ;;
        *) printf '%-8s has no test in this tree\n' "$suite" ;;
        esac
    done
}

# build NAME "SUITE..." MESON_OPTION...: what these suites need.
build() {
    local name=$1 wanted=$2 log="$LOGS/build-$1.log" started=$SECONDS
    local -a suites targets
    shift 2
    read -r -a suites <<<"$wanted"
    configure "$OUT/$name" "$log" "$@"
    compile "$OUT/$name" "$log" build.ninja
    read -r -a targets -d '' < <(python3 "$ROOT/tools/lib/suite_targets.py" "$OUT/$name" \
        "${suites[@]}") || true
    compile "$OUT/$name" "$log" "${targets[@]}"
    printf 'built    %s in %d s\n' "$name" $((SECONDS - started))
    suites "$name" "${suites[@]}"
}

main() {
    local mode=${1:-full}
    mkdir -p "$LOGS"
    case "$mode" in
    quick)
        need_packages all
        build quick "unit arch golden" -Dbuildtype=debugoptimized
        ;;
    full)
        need_packages all
        build checked "unit arch golden fuzz sim" -Dbuildtype=debugoptimized \
            -Db_sanitize=address,undefined
        build release "smoke interop hostile crash" -Dbuildtype=release \
            -Dc_args=-DMILLRACE_CHECKED=1
        # The race tests bring their own -fsanitize=thread, into a build without any other.
        build quick "tsan" -Dbuildtype=debugoptimized
        ;;
    *)
        say "usage: tools/test.sh [quick]" >&2
        exit 2
        ;;
    esac
    say "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}

main "$@"
