#!/usr/bin/env python3
"""What bypass.sh prints: the same loads with our own TCP and over kernel sockets, by turns, and
what the stack costs by itself. Nothing is asserted: a row that cannot be made says why."""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "interop")]
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import pins  # noqa: E402  pylint: disable=wrong-import-position

ROUNDS = 3
FETCH = "fetch 1 MB, 1 connection"
REQUESTS = (("requests_per_s", "requests/s", 1), ("cpu_us_per_request", "CPU us", 1))
BANDWIDTH = (("mb_per_s", "Gb/s", 125),)
# row: (kind, arguments, figures: (name, unit, by what it is divided)). Deep pipelines of few
# connections spare the kernel most of its work per request: 256 in flight wait for the same few
# writes, and the core for the disk; 2,048 fill the core. One request at a time of many connections
# is what a host full of clients sends, and each of them costs the kernel two calls.
ROWS = {
    "produce 1 x 100 B, 256 connections x 1": (
        "small", ("--partitions", "16", "--connections", "256", "--in-flight", "1"), REQUESTS),
    "produce 1 x 100 B, 8 connections x 32": ("small", ("--partitions", "16"), REQUESTS),
    "produce 1 x 100 B, 16 connections x 128": (
        "small", ("--partitions", "16", "--connections", "16", "--in-flight", "128"), REQUESTS),
    "produce 100 KB batches, 1 connection": ("produce", (), BANDWIDTH),
    FETCH: ("fetch", ("--bytes", "256m"), BANDWIDTH),
}
LATENCY = ("latency", ("--rate", "1000"))
ONE_CORE = ("--set", "cores.cpus=0")


class SocketsOverVeth(brokers.OverVeth):
    """Kernel sockets at both ends of the veth that the drivers of OverVeth use."""

    def __init__(self, build):
        super().__init__(build)
        self.arguments = ["--insecure", *ONE_CORE]
        self.listen = self.bootstrap

    def start(self):
        # The address must be there before the listener; the rest is as for the others.
        address = f"{self.network}.2/24"
        run = subprocess.run
        inside = ["ip", "-n", self.namespace]
        for command in (
                ["ip", "netns", "add", self.namespace],
                ["ip", "link", "add", self.ends[0], "type", "veth", "peer", "name", self.ends[1]],
                ["ip", "link", "set", self.ends[1], "netns", self.namespace],
                ["ip", "addr", "add", address, "dev", self.ends[0]],
                ["ip", "link", "set", self.ends[0], "up"],
                [*inside, "addr", "add", f"{self.network}.1/24", "dev", self.ends[1]],
                [*inside, "link", "set", self.ends[1], "up"]):
            run(command, check=True, timeout=20, stdout=subprocess.DEVNULL)
        return brokers.Millrace.start(self)


def bench(broker, kind, seconds, *arguments):
    done = subprocess.run(
        [*broker.client_prefix, broker.tool, "bench", kind, "-o", "json", "--cpu", "1",
         "--warm-up", "1", "--seconds", str(seconds), *arguments],
        timeout=60 + 10 * seconds, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise RuntimeError((done.stderr or done.stdout).decode(errors="replace").strip()[-300:])
    return json.loads(done.stdout)


def where(broker):
    return (("--over", "memif", "--device", broker.device) if hasattr(broker, "device") else
            ("--bootstrap", broker.bootstrap))


def copied_bytes(broker):
    """Payload that our port has copied behind headers, of the counters of the broker."""
    page = subprocess.run([broker.tool, "net", "--data", broker.data[0], "-o", "json"],
                          timeout=20, stdout=subprocess.PIPE, check=True).stdout.decode()
    return sum(int(count) for count in re.findall(r'"out_copied_bytes": ?(\d+)', page))


def line(row, first, second, unit, ratio=None):
    def shown(value):
        return "-" if value is None else f"{value:.2f}"
    print(f"{row:44} {shown(first):>12} {shown(second):>12} {shown(ratio):>7} {unit}", flush=True)


def of_two(options):
    makers = {"sockets": brokers.Millrace, "memif": brokers.OverMemif}
    print(f"{'one core of the broker':44} {'sockets':>12} {'memif':>12} {'ratio':>7}")
    copied = None
    for row, (kind, arguments, wanted) in ROWS.items():
        seen = {(over, name): [] for over in makers for name, _, _ in wanted}
        for _ in range(options.rounds):
            for over, make in makers.items():
                with make(options.build, arguments=ONE_CORE) as broker:
                    figures = bench(broker, kind, options.seconds, *where(broker), *arguments)
                    for name, _, divided in wanted:
                        seen[over, name].append(figures[name] / divided)
                    if row == FETCH and over == "memif":
                        copied = copied_bytes(broker) / figures["payload_bytes"]
        for name, unit, _ in wanted:
            sockets, memif = (statistics.median(seen[over, name]) for over in makers)
            line(row, sockets, memif, unit, memif / sockets)
    line("copies of payload on fetch, ours", None, copied, "of 1 byte")


def round_trips(options):
    makers = {"veth, sockets": SocketsOverVeth,
              "tap": lambda build: brokers.OverTap(build, arguments=ONE_CORE),
              "veth, af_packet": brokers.OverVeth}
    kind, arguments = LATENCY
    seen = {over: [] for over in makers}
    for _ in range(options.rounds):
        for over, make in makers.items():
            with make(options.build) as broker:
                figures = bench(broker, kind, options.seconds, *where(broker), *arguments)
                seen[over].append(figures["latency_us"]["p50"])
    sockets = statistics.median(seen["veth, sockets"])
    print(f"{'produce 100 B, acks=1, p50':44} {'sockets':>12} {'ours':>12} {'ratio':>7}")
    for over in ("tap", "veth, af_packet"):
        ours = statistics.median(seen[over])
        line(f"{over}, beside sockets over veth", sockets, ours, "us", ours / sockets)


def program(options, path, *arguments):
    """What a program of the build prints, one that is not built with all others included."""
    subprocess.run(["ninja", "-C", options.build, path], check=True, stdout=subprocess.DEVNULL)
    return subprocess.run([str(pathlib.Path(options.build) / path), *arguments], timeout=300,
                          stdout=subprocess.PIPE, check=False).stdout.decode()


def stack_alone(options):
    print("the stack by itself, both ends on one CPU")
    frames, uncut = program(options, "tests/bench/bench_stack", str(options.seconds)).split()
    line("one stream over a ring, frames of 1500 bytes", None, float(frames), "Gb/s")
    line("one stream over a ring, TSO frames", None, float(uncut), "Gb/s")
    load = program(options, "tests/sim/test_stack_load")
    memory = re.search(r"at most 64 MB\n# ([\d.]+) MB", load)
    line("10,000 idle connections", None, float(memory[1]) if memory else None, "MB")
    none = re.search(r"^ok \d+ - no memory was allocated", load, re.M)
    line("allocations of 60,000 connections", None, 0 if none else None, "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parts = {"stack": stack_alone, "latency": round_trips, "memif": of_two}
    parser.add_argument("--only", choices=sorted(parts))
    options = parser.parse_args()
    for name, part in parts.items():
        if options.only not in (None, name):
            continue
        try:
            part(options)
        except (pins.Unavailable, RuntimeError, OSError, subprocess.SubprocessError) as reason:
            print(f"{name}: no figures: {reason}", flush=True)


if __name__ == "__main__":
    main()
