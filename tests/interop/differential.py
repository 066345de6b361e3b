#!/usr/bin/env python3
"""The same requests to Apache Kafka and to Millrace; every difference in the answers is reported.

--oracle-twice runs Kafka against Kafka: what differs then is the comparison's fault.
"""

import argparse
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(1, str(HERE.parent))
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import pins  # noqa: E402  pylint: disable=wrong-import-position
import tap  # noqa: E402  pylint: disable=wrong-import-position

RUN_SECONDS_MAX = 800

# With eligible leader replicas Kafka turns min.insync.replicas into a dynamic setting of the
# cluster, which then shows in every description; Millrace does not serve that feature.
FEATURES = ["eligible.leader.replicas.version=0"]

# So that scripts of groups wait for nobody, and that a group may be full.
GROUPS = {"group.initial.rebalance.delay.ms": 0, "group.max.size": 4, "group.consumer.max.size": 4}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--oracle-twice", action="store_true")
    parser.add_argument("--only", default="", help="expression on the names of cases")
    parser.add_argument("--dump", action="store_true", help="print everything observed")
    options = parser.parse_args()
    try:
        program = pins.go_program(HERE / "clients" / "differential", "differential")
        properties = "".join(f"{key}={value}\n" for key, value in GROUPS.items())
        config = "kafka:\n" + "".join(f"  {key}: {value}\n" for key, value in GROUPS.items())
        oracle = brokers.Kafka(properties, features=FEATURES)
        other = brokers.Kafka(properties, features=FEATURES) if options.oracle_twice else \
            brokers.Millrace(options.build, config)
    except pins.Unavailable as reason:
        tap.skip_all(str(reason))
    flags = [f"--only={options.only}"]
    flags += ["--dump"] if options.dump else []
    flags += ["--oracle-twice"] if options.oracle_twice else []
    with oracle, other:
        done = subprocess.run([program, *flags, oracle.bootstrap, other.bootstrap],
                              stdin=subprocess.DEVNULL, timeout=RUN_SECONDS_MAX, check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
