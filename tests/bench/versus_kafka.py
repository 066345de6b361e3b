#!/usr/bin/env python3
"""Millrace and Apache Kafka on the same load, the same machine, in turns: A B A B ...

The broker is pinned to one CPU, the load to another. Kafka's JVM is warmed on all CPUs before it is
pinned and measured; all that was written is on the disk before the next turn begins. Only ratios of
one run are figures; everything else is weather. Prints one table row per figure. Every byte that
was produced is read back and compared.

    versus_kafka.py --build build [--pairs 5] [--quick] [--null] [--fio] [--case NAME]...

--null runs `millrace bench null-broker` beside both: what the load and the kernel can do at most.
--fio writes with fio beside each pair of a produce case: what the disk takes of as much at once.
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
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))
import brokers  # noqa: E402  pylint: disable=wrong-import-position

BROKER_CPU, LOAD_CPU = 0, 1
LOCK = "/tmp/millrace-bench-pairs.lock"
RETAIN = ["--config", "retention.bytes=2000000000", "--config", "segment.bytes=268435456",
          "--config", "file.delete.delay.ms=1000"]
DURABLE = ["--config", "flush.messages=1", "--acks", "-1"]

# name: (bench words, figure, better is "more" or "less", who is measured)
CASES = {
    "produce-100k": (["produce", "--batch-bytes", "100k", "--connections", "4", "--in-flight", "5",
                      *RETAIN],
                     [("mb_per_s", "more"), ("cpu_s_per_gb", "less"),
                      ("device_bytes_per_payload_byte", "less")], "plain"),
    "produce-100k-one": (["produce", "--batch-bytes", "100k", "--in-flight", "5", *RETAIN],
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
    "commits": (["commits"], [("requests_per_s", "more"), ("p99", "less")], "plain"),
    "transactions": (["transactions"], [("requests_per_s", "more"), ("p99", "less")], "plain"),
    "transactions-100ms": (["transactions", "--transaction-ms", "100", "--batch-bytes", "16k"],
                           [("mb_per_s", "more"), ("p99", "less")], "plain"),
    "rebalance": (["rebalance"], [("p50", "less"), ("p99", "less")], "plain"),
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


def settle():
    """What was written and deleted before goes to the device now, not under the next figure."""
    os.sync()
    time.sleep(2)


def bench(tool, target, words, seconds, warm_up):
    command = [tool, "bench", *words, "--bootstrap", target.broker.bootstrap, "--seconds",
               str(seconds), "--warm-up", str(warm_up), "--cpu", str(LOAD_CPU), "--data",
               target.data, "--json"]
    for pid in target.pids:
        command += ["--pid", str(pid)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=900, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode()[-500:]}")
    result = json.loads(done.stdout)
    if not result["verified"] or result["errors"] > 0:
        raise RuntimeError(f"{' '.join(command)}: not what was sent: {result}")
    return result


def bench_null(tool, words, seconds):
    """The same load against a program that only receives, checks and answers."""
    address = f"127.0.0.1:{brokers.free_port()}"
    with subprocess.Popen([tool, "bench", "null-broker", "--bootstrap", address, "--cpu",
                           str(BROKER_CPU)]) as broker:
        try:
            time.sleep(0.5)
            command = [tool, "bench", *words, "--bootstrap", address, "--seconds", str(seconds),
                       "--warm-up", "1", "--cpu", str(LOAD_CPU), "--no-verify", "--json"]
            return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        finally:
            broker.kill()


def fio_write(block_kib, depth, used):
    """MB/s of fio's O_DIRECT writes into reserved blocks: new ones, or such that were in use."""
    with tempfile.NamedTemporaryFile(prefix="millrace-fio-") as file:
        words = ["fio", "--name=write", f"--filename={file.name}", "--size=2g", "--rw=write",
                 f"--bs={block_kib}k", f"--iodepth={depth}", "--direct=1", "--ioengine=io_uring",
                 "--fallocate=none", "--overwrite=1", f"--cpus_allowed={BROKER_CPU}",
                 "--output-format=json"]
        subprocess.run(["fallocate", "--length", "2g", file.name], check=True)
        os.sync()
        for _ in range(1 + used):
            done = subprocess.run(words, stdout=subprocess.PIPE, check=True)
            subprocess.run(["fallocate", "--zero-range", "--length", "2g", file.name], check=True)
            os.sync()
        return json.loads(done.stdout)["jobs"][0]["write"]["bw_bytes"] / 1e6


def option(words, name, default):
    return int(words[words.index(name) + 1]) if name in words else default


def fio_rows(name, rows):
    """Four writes under way that hold together what the load has in flight, and 16 of 1 MiB."""
    words = CASES[name][0]
    window_kib = 100 * option(words, "--connections", 1) * option(words, "--in-flight", 5)
    for block_kib, depth in ((window_kib // 16 * 4, 4), (1024, 16)):
        for used in (False, True):
            what = f"fio, {depth} x {block_kib} KiB, " + ("used blocks" if used else "new blocks")
            rows.setdefault(what, []).append(fio_write(block_kib, depth, used))


def figure(result, name):
    return result["latency_us"][name] if name.startswith("p") else result[name]


def null_text(nulls, one):
    known = [figure(result, one) for result in nulls if one.startswith("p") or one in result]
    return f"{statistics.median(known):.4g}" if known else "-"


def measure(side, name, options, tool):
    words, _, profile = CASES[name]
    target = start_millrace(options.build, profile) if side == "millrace" else start_kafka()
    try:
        if side == "kafka":
            bench(tool, target, words, options.warm_seconds, 1)
        target.pin()
        settle()
        return bench(tool, target, words, options.seconds, 2)
    finally:
        target.broker.stop()
        target.broker.remove()
        settle()


def run_case(name, options, tool):
    words, figures, _ = CASES[name]
    ours, theirs, nulls, fios = [], [], [], {}
    for pair in range(options.pairs):
        ours.append(measure("millrace", name, options, tool))
        theirs.append(measure("kafka", name, options, tool))
        if options.null and words[0] in ("produce", "small", "latency"):
            nulls.append(bench_null(tool, words, min(options.seconds, 4)))
        if options.fio and name.startswith("produce"):
            fio_rows(name, fios)
        print(f"# {name} pair {pair + 1}: " + ", ".join(
            f"{f} {figure(ours[-1], f):.4g} against {figure(theirs[-1], f):.4g}"
            for f, _ in figures), file=sys.stderr, flush=True)
    busiest = max(result["load_cpu_share"] for result in ours)
    if busiest > 0.95 and words[0] in ("produce", "small", "fetch"):
        print(f"# {name}: the load took {100 * busiest:.0f} % of its CPU: it is the limit",
              file=sys.stderr)
    for one, better in figures:
        ratios = [figure(a, one) / figure(b, one) if figure(b, one) else 0
                  for a, b in zip(ours, theirs)]
        print(f"| {name} | {one} ({better} is better) | "
              f"{statistics.median(figure(a, one) for a in ours):.4g} | "
              f"{statistics.median(figure(b, one) for b in theirs):.4g} | "
              f"{statistics.median(ratios):.3g} | {min(ratios):.3g}-{max(ratios):.3g} | "
              f"{null_text(nulls, one)} |", flush=True)
    for what, rates in fios.items():
        print(f"| {name} | {what}: mb_per_s | {statistics.median(rates):.4g} | | | "
              f"{min(rates):.4g}-{max(rates):.4g} | |", flush=True)
    return {"case": name, "millrace": ours, "kafka": theirs, "null": nulls, "fio": fios}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--warm-seconds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="one short pair of each case")
    parser.add_argument("--null", action="store_true", help="measure the null broker, too")
    parser.add_argument("--fio", action="store_true", help="what the disk takes, too")
    parser.add_argument("--case", action="append", choices=sorted(CASES))
    parser.add_argument("--out", default="", help="write all results as JSON")
    options = parser.parse_args()
    if options.quick:
        options.pairs, options.seconds, options.warm_seconds = 1, 4, 6
    tool = str(pathlib.Path(options.build) / "tools" / "millrace")
    with open(LOCK, "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        print("| case | figure | Millrace | Kafka | ratio (median) | range | null broker |\n"
              "|---|---|---|---|---|---|---|", flush=True)
        results = [run_case(name, options, tool) for name in options.case or CASES]
    if options.out:
        pathlib.Path(options.out).write_text(json.dumps(results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
