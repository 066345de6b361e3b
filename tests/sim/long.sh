#!/bin/sh
# long.sh MINUTES [BUILD]: seeds nobody has seen, one process for each CPU, every kind of trouble in
# turn. Each failure prints the command that replays it; the last line counts them.
set -u

minutes=${1:?usage: long.sh MINUTES [BUILD]}
build=${2:-build}
sim=$build/tests/sim/sim
kinds="1 2 3 4 8 16 32 64 128 256 1024 1026 1535 -1"
[ -x "$sim" ] || { echo "$sim is missing: ninja -C $build tests/sim/sim" >&2; exit 2; }

end=$(($(date +%s) + minutes * 60))
failures=$(mktemp)
trap 'rm -f "$failures"' EXIT

one_cpu() {
    while [ "$(date +%s)" -lt "$end" ]; do
        for kind in $kinds; do
            left=$((end - $(date +%s)))
            [ "$left" -gt 0 ] || return 0
            [ "$left" -lt 20 ] || left=20
            for work in 1 14; do
                MALLOC_PERTURB_=0 "$sim" --fresh "$((left / 2))" --trouble "$kind" --work "$work" ||
                    echo "trouble $kind, work $work" >>"$failures"
            done
        done
    done
}

for _ in $(seq "$(nproc)"); do
    one_cpu &
done
wait
count=$(wc -l <"$failures")
echo "$minutes minutes, $count failures"
[ "$count" -eq 0 ]
