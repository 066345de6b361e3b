#!/usr/bin/env python3
"""What bypass.sh prints: the same loads over shared memory with our own TCP at both ends, and over
kernel sockets, by turns."""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "interop")]
import brokers  # noqa: E402  pylint: disable=wrong-import-position

ROUNDS = 3
# row: (kind, arguments, the figure, its unit, by what it is divided)
ROWS = {
    "produce 1 x 100 B, 8 connections": (
        "small", ("--partitions", "16"), "requests_per_s", "requests/s", 1),
    "produce 100 KB batches, 1 connection": (
        "produce", (), "mb_per_s", "Gb/s", 125),
    "fetch 1 MB, 1 connection": (
        "fetch", ("--bytes", "256m"), "mb_per_s", "Gb/s", 125),
}


def figure(broker, over, seconds, row):
    kind, arguments, name, _, divided = ROWS[row]
    where = (("--over", "memif", "--device", broker.device) if over == "memif" else
             ("--bootstrap", broker.bootstrap))
    done = subprocess.run(
        [broker.tool, "bench", kind, *where, "-o", "json", "--cpu", "1", "--warm-up", "1",
         "--seconds", str(seconds), *arguments],
        timeout=60 + 10 * seconds, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)[name] / divided


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    makers = {"sockets": brokers.Millrace, "memif": brokers.OverMemif}
    print(f"{'one core of the broker':40} {'sockets':>12} {'memif':>12} {'ratio':>7}")
    for row, (_, _, _, unit, _) in ROWS.items():
        seen = {over: [] for over in makers}
        for _ in range(ROUNDS):
            for over, make in makers.items():
                with make(options.build, arguments=("--set", "cores.cpus=0")) as broker:
                    seen[over].append(figure(broker, over, options.seconds, row))
        sockets, memif = (statistics.median(seen[over]) for over in ("sockets", "memif"))
        print(f"{row:40} {sockets:12.2f} {memif:12.2f} {memif / sockets:7.2f} {unit}", flush=True)


if __name__ == "__main__":
    main()
