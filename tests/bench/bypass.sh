#!/bin/sh
# Figures of our own TCP against kernel sockets, on this machine, in one run:
#     tests/bench/bypass.sh BUILD [SECONDS]
# A build of type release. Each row is one core of the broker; nothing is asserted. Run it alone.
exec python3 "$(dirname "$0")/bypass.py" --build "$1" --seconds "${2:-5}"
