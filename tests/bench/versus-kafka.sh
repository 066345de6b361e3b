#!/bin/sh
# Millrace against Apache Kafka 4.2.1 on this machine, A B A B, same load, same CPUs; prints the
# ratio table. Kafka comes from Maven Central, its configuration is kafka-server.properties here.
# Options are passed on: --pairs N, --quick, --case NAME, --out FILE.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
exec python3 "$here/versus_kafka.py" "$@"
