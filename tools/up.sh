#!/usr/bin/env bash
# From a fresh clone on Debian 12 to a running broker: installs what is missing, builds, starts.
# Running it again builds what changed and leaves a running broker alone.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/.." && pwd)
LOGS="$ROOT/build/logs"
# shellcheck source=lib/host.sh
. "$ROOT/tools/lib/host.sh"

# Arguments are handed on: tools/up.sh --listen 127.0.0.1:9192 --data /srv/millrace
main() {
    need_packages build
    say "building into build/ (log: build/logs/build.log)"
    mkdir -p "$ROOT/build"
    local log
    log=$(mktemp)
    build_tree "$ROOT/build" "$log" --buildtype=release
    mkdir -p "$LOGS"
    mv "$log" "$LOGS/build.log"
    exec "$ROOT/build/tools/millrace" up --detach "$@"
}

main "$@"
