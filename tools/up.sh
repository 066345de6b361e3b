#!/usr/bin/env bash
# From a fresh clone on Debian 12 to a running broker: installs what is missing, builds, starts.
# Running it again builds what changed and leaves a running broker alone.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck disable=SC2034  # host.sh writes there.
LOGS="$ROOT/build"
# shellcheck source=tools/lib/host.sh
. "$ROOT/tools/lib/host.sh"

# Arguments are handed on: tools/up.sh --listen 127.0.0.1:9192 --data /srv/millrace
main() {
    need_packages build
    say "building into build/ ..."
    local log
    log=$(mktemp) # The build directory is not there yet.
    configure "$ROOT/build" "$log" --buildtype=release
    mv "$log" "$ROOT/build/build.log"
    compile "$ROOT/build" "$ROOT/build/build.log" tools/millrace dataplane/millrace-dataplane \
        control/millrace-control
    exec "$ROOT/build/tools/millrace" up --detach "$@"
}

main "$@"
