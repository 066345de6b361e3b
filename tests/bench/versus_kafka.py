#!/usr/bin/env python3
"""Millrace and Apache Kafka on the same load, the same machine, in turns: A B A B ...

The broker is pinned to one CPU, the load to another. Kafka's JVM is warmed before it is measured.
Only ratios of one run are figures; everything else is weather. Prints one table row per case.

    versus_kafka.py --build build [--pairs 5] [--quick] [--case NAME]...
"""

import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))
import brokers  # noqa: E402  pylint: disable=wrong-import-position

BROKER_CPU, LOAD_CPU = 0, 1
LOCK = "/tmp/millrace-bench-pairs.lock"
RETAIN = ["--config", "retention.bytes=2000000000", "--config", "segment.bytes=268435456"]
DURABLE = ["--config", "flush.messages=1", "--acks", "-1"]

# name: (bench words, figure, better is "more" or "less", who is measured)
CASES = {
    "produce-100k": (["produce", "--batch-bytes", "100k", "--in-flight", "5", *RETAIN],
                     [("mb_per_s", "more"), ("cpu_s_per_gb", "less")], "plain"),
    "durable-16k": (["produce", "--batch-bytes", "16k", "--connections", "8", "--in-flight", "5",
                     "--partitions", "16", *DURABLE, *RETAIN],
                    [("mb_per_s", "more")], "plain"),
    "written-16k": (["produce", "--batch-bytes", "16k", "--connections", "8", "--in-flight", "5",
                     "--partitions", "16", *RETAIN], [("mb_per_s", "more")], "plain"),
    "small-100b": (["small", "--connections", "8", "--in-flight", "32"],
                   [("requests_per_s", "more"), ("cpu_us_per_request", "less")], "plain"),
    "fetch-1m": (["fetch", "--fetch-bytes", "1m", "--bytes", "32m"],
                 [("cpu_s_per_gb", "less"), ("mb_per_s", "more")], "plain"),
    "fetch-128k": (["fetch", "--fetch-bytes", "128k", "--bytes", "32m"],
                   [("cpu_s_per_gb", "less"), ("mb_per_s", "more")], "plain"),
    "latency-1k": (["latency", "--rate", "1000"], [("p50", "less"), ("p99", "less")], "latency"),
    "latency-10k": (["latency", "--rate", "10000"], [("p50", "less"), ("p99", "less")], "latency"),
    "durable-latency-1k": (["latency", "--rate", "1000", *DURABLE],
                           [("p50", "less"), ("p99", "less")], "latency"),
    "durable-latency-busy": (["latency", "--rate", "1000", "--background", "300000000", *DURABLE],
                             [("p50", "less"), ("p99", "less")], "latency"),
    "e2e-1k": (["e2e", "--rate", "1000"], [("p50", "less"), ("p99", "less")], "latency"),
}


def pin_tree(pid, cpu):
    """Every thread of the process and of its children."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            os.sched_setaffinity(int(task.name), {cpu})


class Pinned:
    """A running broker on its CPU, and what bench must know of it."""

    def __init__(self, broker, pids, data):
        self.broker, self.pids, self.data = broker, pids, data

    def pin(self):
        for pid in self.pids:
            pin_tree(pid, BROKER_CPU)


def start_millrace(build, profile):
    arguments = ["--profile", profile] if profile != "plain" else []
    broker = brokers.Millrace(build, arguments=arguments).start()
    pids = [entry["pid"] for entry in broker.status()["processes"]]
    return Pinned(broker, pids, broker.data[0])


def start_kafka():
    broker = brokers.Kafka(heap="2g").start()
    return Pinned(broker, [broker.process.pid], str(broker.folder))


def bench(tool, target, words, seconds, warm_up):
    target.pin()
    command = [tool, "bench", *words, "--bootstrap", target.broker.bootstrap, "--seconds",
               str(seconds), "--warm-up", str(warm_up), "--cpu", str(LOAD_CPU), "--data",
               target.data, "--json"]
    for pid in target.pids:
        command += ["--pid", str(pid)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=900, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode()[-500:]}")
    return json.loads(done.stdout)


def figure(result, name):
    return result["latency_us"][name] if name.startswith("p") else result[name]


def run_case(name, options, tool):
    words, figures, profile = CASES[name]
    ours, theirs = [], []
    for pair in range(options.pairs):
        for side in ("millrace", "kafka"):
            target = start_millrace(options.build, profile) if side == "millrace" \
                else start_kafka()
            try:
                if side == "kafka":
                    bench(tool, target, words, options.warm_seconds, 1)
                result = bench(tool, target, words, options.seconds, 2)
            finally:
                target.broker.stop()
                if side == "millrace":
                    target.broker.remove()
                else:
                    subprocess.run(["rm", "-rf", target.data], check=False)
            (ours if side == "millrace" else theirs).append(result)
            time.sleep(1)
        print(f"# {name} pair {pair + 1}: " + ", ".join(
            f"{f} {figure(ours[-1], f):.4g} against {figure(theirs[-1], f):.4g}"
            for f, _ in figures), file=sys.stderr, flush=True)
    for one, better in figures:
        ratios = [figure(a, one) / figure(b, one) if figure(b, one) else 0
                  for a, b in zip(ours, theirs)]
        print(f"| {name} | {one} ({better} is better) | "
              f"{statistics.median(figure(a, one) for a in ours):.4g} | "
              f"{statistics.median(figure(b, one) for b in theirs):.4g} | "
              f"{statistics.median(ratios):.3g} | {min(ratios):.3g}-{max(ratios):.3g} |",
              flush=True)
    return {"case": name, "millrace": ours, "kafka": theirs}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--warm-seconds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="one short pair of each case")
    parser.add_argument("--case", action="append", choices=sorted(CASES))
    parser.add_argument("--out", default="", help="write all results as JSON")
    options = parser.parse_args()
    if options.quick:
        options.pairs, options.seconds, options.warm_seconds = 1, 4, 6
    tool = str(pathlib.Path(options.build) / "tools" / "millrace")
    with open(LOCK, "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        print("| case | figure | Millrace | Kafka | ratio (median) | range |\n"
              "|---|---|---|---|---|---|", flush=True)
        results = [run_case(name, options, tool) for name in options.case or CASES]
    if options.out:
        pathlib.Path(options.out).write_text(json.dumps(results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
