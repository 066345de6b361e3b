#!/usr/bin/env python3
"""A node and the load generator with the same TCP, shared memory between them: what is read back is
what was sent, and the load comes and goes."""

import argparse
import json
import pathlib
import subprocess
import sys

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[0:2]]
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import pins  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal, skip_all  # noqa: E402  pylint: disable=wrong-import-position

SHORT = ("--seconds", "1", "--warm-up", "0")


def bench(broker, kind, *arguments):
    done = subprocess.run([broker.tool, "bench", kind, "--over", "memif", "--device",
                           broker.device, "-o", "json", *SHORT, *arguments],
                          timeout=90, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise AssertionError(f"bench {kind}: {done.stdout.decode()[-600:]}"
                             f"{done.stderr.decode()[-600:]}")
    return json.loads(done.stdout)


def says_what_it_verified(broker, kind, *arguments):
    figures = bench(broker, kind, *arguments)
    print(f"# {figures}", flush=True)
    equal(figures["errors"], 0, "errors")
    if figures["verified_bytes"] <= 0:
        raise AssertionError("nothing was verified")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    options = parser.parse_args()
    tap = Tap()
    try:
        broker = brokers.OverMemif(options.build)
    except pins.Unavailable as reason:
        skip_all(str(reason))
    with broker:
        for kind, *arguments in (("small",), ("produce",), ("fetch", "--bytes", "64m"),
                                 ("latency",), ("e2e",)):
            tap.check(f"{kind} over memif is verified", says_what_it_verified, broker, kind,
                      *arguments)
    with brokers.OverMemif(options.build, cores=2) as several:
        tap.check("two cores behind one memif are verified", says_what_it_verified, several,
                  "small", "--connections", "16", "--partitions", "4")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
