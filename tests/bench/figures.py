#!/usr/bin/env python3
"""Figures of Millrace alone: recovery, memory, idle CPU, creating partitions, slow flushes, reads
from the disk, many groups; and compaction, beside Kafka.

    figures.py --build build [--case NAME]... [--gigabytes 20] [--compacted-gigabytes 4] [--pairs 5]

Each prints one line; `versus-kafka.sh` prints those that only mean something beside Kafka.
"""

import argparse
import fcntl
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))
sys.path.insert(1, str(HERE.parent / "crash"))
sys.path.insert(2, str(HERE))
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import compaction  # noqa: E402  pylint: disable=wrong-import-position
import frames  # noqa: E402  pylint: disable=wrong-import-position
import groups  # noqa: E402  pylint: disable=wrong-import-position
import versus_kafka  # noqa: E402  pylint: disable=wrong-import-position

MIB = 1 << 20
RECOVERY_PARTITIONS = 22


def pids(broker):
    return [entry["pid"] for entry in broker.status()["processes"]]


def rollup(pid):
    """(shared, private and huge) bytes of a process, by /proc."""
    values = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, amount = line.split(":")
        values[name] = int(amount.split()[0]) * 1024
    huge = values.get("Shared_Hugetlb", 0) + values.get("Private_Hugetlb", 0)
    return values["Pss"] + huge


def memory(broker):
    """Resident memory of both processes, shared pages once, huge pages included."""
    return sum(rollup(pid) for pid in pids(broker))


def cpu_seconds(pid):
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2:].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def call(connection, body):
    connection.sendall(frames.framed(body))
    size = struct.unpack(">i", receive(connection, 4))[0]
    return receive(connection, size)


def receive(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionError("closed")
        data += more
    return data


def connect(broker):
    host, port = broker.bootstrap.split(":")
    made = socket.create_connection((host, int(port)), timeout=60)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def create_request(topics):
    body = struct.pack(">i", len(topics))
    for name, partitions in topics:
        body += frames.string(name) + struct.pack(">ihii", partitions, 1, 0, 0)
    return frames.header(19, 2, False) + body + struct.pack(">ib", 60000, 0)


def create(broker, topics):
    """Seconds until CreateTopics was answered."""
    connection = connect(broker)
    start = time.monotonic()
    answer = call(connection, create_request(topics))
    seconds = time.monotonic() - start
    at = 4 + 4 + 4
    for _ in topics:
        length, = struct.unpack_from(">h", answer, at)
        code, = struct.unpack_from(">h", answer, at + 2 + length)
        assert code == 0, f"CreateTopics: error {code}"
        message, = struct.unpack_from(">h", answer, at + 4 + length)
        at += 6 + length + max(message, 0)
    connection.close()
    return seconds


def case_idle(options):
    with brokers.Millrace(options.build) as broker:
        time.sleep(3)
        before = [cpu_seconds(pid) for pid in pids(broker)]
        time.sleep(20)
        after = [cpu_seconds(pid) for pid in pids(broker)]
        used = sum(b - a for a, b in zip(before, after)) / 20
        print(f"idle CPU, loopback profile: {100 * used:.2f} % of one CPU (limit 1 %)")
        print(f"memory without load: {memory(broker) / MIB:.1f} MiB (limit 256)")


def case_partitions(options):
    with brokers.Millrace(options.build) as broker:
        seconds = create(broker, [("thousand", 1000)])
        print(f"create 1,000 partitions (one topic): {1000 * seconds:.0f} ms (limit 500)")
        seconds = create(broker, [(f"many-{i}", 1) for i in range(1000)])
        print(f"create 1,000 topics of one partition: {1000 * seconds:.0f} ms (limit 500)")
    config = "storage:\n  flush_delay_us: 1000\n"
    with brokers.Millrace(options.build, config) as broker:
        seconds = create(broker, [("thousand", 1000)])
        print(f"create 1,000 partitions, flush of 1 ms: {1000 * seconds:.0f} ms (limit 500)")
    with brokers.Millrace(options.build) as broker:
        before = memory(broker)
        for i in range(10):
            create(broker, [(f"ten-thousand-{i}", 1000)])
        after = memory(broker)
        print(f"10,000 idle partitions: {(after - before) / 10000 / 1024:.2f} KiB each (limit 16)")
        write_and_read_each(broker)


def batch_of(index):
    """One record whose value is the number of its partition."""
    return frames.record_batch(b"\x1c\0\0\0\1\x10" + struct.pack(">q", index) + b"\0", 0, 1)


def write_and_read_each(broker):
    """Produces to each of the 10,000 partitions, and fetches from each what it got."""
    connection = connect(broker)
    bad = 0
    start = time.monotonic()
    for i in range(10000):
        answer = call(connection, frames.produce_request(f"ten-thousand-{i % 10}", i // 10,
                                                         batch_of(i)))
        bad += frames.produce_error(b"\0\0\0\0" + answer) != 0
    written = time.monotonic()
    used = memory(broker)
    for i in range(10000):
        answer = call(connection, frames.fetch_request(f"ten-thousand-{i % 10}", i // 10, 0, MIB))
        batch = batch_of(i)
        got = answer[-len(batch):]
        bad += got[:8] != bytes(8) or got[16:] != batch[16:]  # Offset 0; the epoch is stamped.
    print(f"produce to each of 10,000 partitions: {written - start:.1f} s, to fetch from each "
          f"{time.monotonic() - written:.1f} s, {bad} errors; memory then {used / MIB:.0f} MiB")


def first_answers(broker):
    """Seconds until a durable produce and a fetch were answered."""
    start = time.monotonic()
    batch = frames.record_batch(b"\x0e\0\0\0\1\2a\0", 0, 1)
    while True:
        try:
            connection = connect(broker)
            answer = call(connection, frames.produce_request("recovery", 0, batch))
            if frames.produce_error(b"\0\0\0\0" + answer) != 0:
                continue
            call(connection, frames.fetch_request("recovery", 1, 0, MIB))
            return time.monotonic() - start
        except OSError:
            time.sleep(0.001)
        if time.monotonic() - start > 60:
            raise RuntimeError("no answer for a minute")


def case_recovery(options):
    with brokers.Millrace(options.build) as broker:
        tool = str(pathlib.Path(options.build) / "tools" / "millrace")
        subprocess.run([tool, "bench", "produce", "--bootstrap", broker.bootstrap, "--topic",
                        "recovery", "--partitions", str(RECOVERY_PARTITIONS), "--connections", "4",
                        "--seconds", "600", "--warm-up", "0", "--bytes",
                        f"{options.gigabytes}g", "--no-verify"], check=True,
                       stdout=subprocess.DEVNULL)
        results = []
        for _ in range(5):
            load = subprocess.Popen([tool, "bench", "produce", "--bootstrap", broker.bootstrap,
                                     "--topic", "recovery", "--partitions",
                                     str(RECOVERY_PARTITIONS), "--seconds", "20", "--no-verify"],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(2.5)  # Who lived two seconds is started again at once.
            for entry in broker.status()["processes"]:
                if "dataplane" in entry["name"] or "control" in entry["name"]:
                    os.kill(entry["pid"], signal.SIGKILL)
            results.append(first_answers(broker))
            load.kill()
            load.wait()
        results.sort()
        print(f"kill -9 of both, {options.gigabytes} GB in {RECOVERY_PARTITIONS} partitions: "
              f"{1000 * results[2]:.0f} ms to the first durable produce and fetch (median of "
              f"{[round(1000 * r) for r in results]}, limit 300)")


DURABLE = ["produce", "--batch-bytes", "16k", "--connections", "8", "--in-flight", "32",
           "--partitions", "16", "--config", "flush.messages=1", "--acks", "-1", "--config",
           "retention.bytes=2000000000", "--config", "segment.bytes=268435456"]


def bench(options, words, config="", seconds=5):
    """The result of one run against a node of its own, pinned as beside Kafka."""
    tool = str(pathlib.Path(options.build) / "tools" / "millrace")
    os.sync()
    time.sleep(2)
    with brokers.Millrace(options.build, config) as broker:
        for pid in pids(broker):
            versus_kafka.pin_tree(pid, versus_kafka.BROKER_CPU)
        done = subprocess.run([tool, "bench", *words, "--bootstrap", broker.bootstrap, "--cpu",
                               str(versus_kafka.LOAD_CPU), "--seconds", str(seconds), "--warm-up",
                               "1", "--json"], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def case_delay(options):
    """Flushes that take 1 ms longer hardly matter while there is enough in flight."""
    plain, delayed = [], []
    for _ in range(options.pairs):
        plain.append(bench(options, DURABLE)["mb_per_s"])
        delayed.append(bench(options, DURABLE, "storage:\n  flush_delay_us: 1000\n")["mb_per_s"])
    ratios = [b / a for a, b in zip(plain, delayed)]
    print(f"durable 16 KB, 32 in flight, flush of 1 ms more: {statistics.median(delayed):.0f} "
          f"against {statistics.median(plain):.0f} MB/s, ratio {statistics.median(ratios):.2f} "
          f"({min(ratios):.2f}-{max(ratios):.2f}, limit 0.9)")


def case_transactions(options):
    """The same durable load, in transactions of 100 ms and without any."""
    load = ["--batch-bytes", "16k", "--connections", "16", "--in-flight", "5", "--partitions", "16",
            "--record-bytes", "100"]
    plain, within = [], []
    for _ in range(options.pairs):
        without = bench(options, ["produce", *load, "--acks", "-1"])
        used = bench(options, ["transactions", *load, "--transaction-ms", "100"])
        plain.append(without["mb_per_s"])
        within.append(used["mb_per_s"])
    ratios = [b / a for a, b in zip(plain, within)]
    print(f"16 KB in transactions of 100 ms: {statistics.median(within):.0f} against "
          f"{statistics.median(plain):.0f} MB/s without, ratio {statistics.median(ratios):.2f} "
          f"({min(ratios):.2f}-{max(ratios):.2f}, limit 0.95)")


def fio_read(gigabytes):
    """MB/s of fio's sequential O_DIRECT reads of 1 MiB, four at a time, of a file just written."""
    with tempfile.NamedTemporaryFile(prefix="millrace-fio-") as file:
        words = ["fio", "--name=read", f"--filename={file.name}", f"--size={gigabytes}g",
                 "--bs=1m", "--direct=1", "--ioengine=io_uring", "--iodepth=4",
                 f"--cpus_allowed={versus_kafka.BROKER_CPU}", "--output-format=json"]
        subprocess.run([*words, "--rw=write"], check=True, stdout=subprocess.DEVNULL)
        os.sync()
        time.sleep(2)
        done = subprocess.run([*words, "--rw=read"], check=True, stdout=subprocess.PIPE)
        return json.loads(done.stdout)["jobs"][0]["read"]["bw_bytes"] / 1e6


def case_cold(options):
    """Fetching much more than fits the arena: every byte comes from the disk."""
    words = ["fetch", "--fetch-bytes", "1m", "--bytes", "4g", "--connections", "4",
             "--partitions", "4"]
    ours, theirs = [], []
    for _ in range(options.pairs):
        ours.append(bench(options, words)["mb_per_s"])
        theirs.append(fio_read(4))
    ratios = [a / b for a, b in zip(ours, theirs)]
    print(f"cold read: {statistics.median(ours):.0f} against fio's {statistics.median(theirs):.0f} "
          f"MB/s, ratio {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}, "
          f"limit 0.8)")


def caller(broker):
    """What sends a request and returns the answer."""
    connection = connect(broker)
    return lambda body: call(connection, body)


def case_compaction(options):
    """One record in ten is live; beside Kafka, in turns."""
    megabytes = 1000 * options.compacted_gigabytes
    tool = str(pathlib.Path(options.build) / "tools" / "millrace")
    sides = {"millrace": [], "kafka": []}
    for _ in range(options.pairs):
        for side, turns in sides.items():
            target = versus_kafka.start_millrace(options.build, "plain") if side == "millrace" \
                else versus_kafka.start_kafka()
            data = target.data if side == "millrace" else target.broker.folder / "data"
            try:
                turns.append(compaction.measure(target, data, caller, tool, megabytes,
                                                options.cold))
            finally:
                target.broker.stop()
                subprocess.run(["rm", "-rf", str(target.broker.folder)], check=False)
            print(f"# compaction, {side}: {turns[-1]}", file=sys.stderr, flush=True)
    ours, theirs = ({name: statistics.median(turn[name] for turn in turns) for name in turns[0]}
                    for turns in sides.values())
    ratios = [a["mb_per_s"] / b["mb_per_s"] for a, b in zip(*sides.values())]
    beside = [turn["p99_beside"] / turn["p99_alone"] for turn in sides["millrace"]]
    print(f"compaction of {options.compacted_gigabytes:g} GB, 10 % live, "
          f"{'not in' if options.cold else 'as written, in'} the page cache: "
          f"{ours['mb_per_s']:.0f} against Kafka's {theirs['mb_per_s']:.0f} MB/s, "
          f"ratio {statistics.median(ratios):.2f} "
          f"({min(ratios):.2f}-{max(ratios):.2f}, limit 2); {100 * ours['left']:.0f} % left, "
          f"{100 * theirs['left']:.0f} % of Kafka's; produce p99 beside it "
          f"{ours['p99_beside']:.0f} us, alone {ours['p99_alone']:.0f}, ratio "
          f"{statistics.median(beside):.2f} ({min(beside):.2f}-{max(beside):.2f}, limit 1.3), "
          f"Kafka's {theirs['p99_beside']:.0f} and {theirs['p99_alone']:.0f}")


def turn_max(broker):
    """The longest turn of control so far, in seconds."""
    with urllib.request.urlopen(f"http://{broker.http}/metrics", timeout=60) as answer:
        return float(re.search(rb"\nmillrace_control_turn_max_seconds (\S+)", answer.read())[1])


def case_groups(options):
    count = 10000
    config = "kafka:\n  group.initial.rebalance.delay.ms: 0\n"
    with brokers.Millrace(options.build, config) as broker:
        create(broker, [("of-groups", 1)])
        groups.wait_for_coordinators(caller(broker), "of-groups")
        before = memory(broker)
        live, listed, shown, read = groups.many(lambda: caller(broker), "of-groups", count)
        each = (memory(broker) - before) / count / 1024
        print(f"{count:,} groups of one member: to join, sync and commit {live:.1f} s, list "
              f"{1000 * listed:.0f} ms, describe {1000 * shown:.0f} ms, fetch each offset "
              f"{read:.1f} s; {each:.1f} KiB each; longest turn of control "
              f"{1000 * turn_max(broker):.0f} ms")


def case_load(options):
    count = 1000000
    with brokers.Millrace(options.build) as broker:
        create(broker, [("of-groups", groups.PARTITIONS)])
        start = time.monotonic()
        groups.fill(lambda: caller(broker), "of-groups", count)
        filled = time.monotonic() - start
        turns = []
        for _ in range(5):
            time.sleep(2.5)  # Who lived two seconds is started again at once.
            turns.append(groups.load(broker, lambda: caller(broker), "of-groups", count))
        whole, loading = (sorted(turn[i] for turn in turns) for i in range(2))
        print(f"{count:,} records of groups (committed in {filled:.1f} s): loaded in "
              f"{1000 * loading[2]:.0f} ms (median of {[round(1000 * s) for s in loading]}, limit "
              f"1000), {1000 * whole[2]:.0f} ms after kill -9 of control; memory then "
              f"{memory(broker) / MIB:.0f} MiB, longest turn {1000 * turn_max(broker):.0f} ms")


CASES = {"idle": case_idle, "partitions": case_partitions, "recovery": case_recovery,
         "delay": case_delay, "cold": case_cold, "compaction": case_compaction,
         "groups": case_groups, "load": case_load, "transactions": case_transactions}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--case", action="append", choices=sorted(CASES))
    parser.add_argument("--gigabytes", type=int, default=20)
    parser.add_argument("--compacted-gigabytes", type=float, default=4)
    parser.add_argument("--cold", action="store_true",
                        help="compact what the host's page cache does not hold")
    parser.add_argument("--pairs", type=int, default=5, help="of the cases that compare")
    options = parser.parse_args()
    with open(versus_kafka.LOCK, "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in options.case or CASES:
            CASES[name](options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
