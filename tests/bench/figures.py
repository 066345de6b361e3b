#!/usr/bin/env python3
"""Figures of Millrace alone: recovery, memory, idle CPU, creating partitions.

    figures.py --build build [--case NAME]... [--gigabytes 20]

Each prints one line; `versus-kafka.sh` prints those that only mean something beside Kafka.
"""

import argparse
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))
sys.path.insert(1, str(HERE.parent / "crash"))
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import frames  # noqa: E402  pylint: disable=wrong-import-position

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
        batch = frames.record_batch(b"\x10\0\0\0\1\2a\0", 0, 1)
        connection = connect(broker)
        bad = 0
        for i in range(10000):
            answer = call(connection, frames.produce_request(f"ten-thousand-{i % 10}", i // 10,
                                                             batch))
            bad += frames.produce_error(b"\0\0\0\0" + answer) != 0
        print(f"produce to each of 10,000 partitions: {bad} errors; then "
              f"{memory(broker) / MIB:.0f} MiB")


def first_answers(broker):
    """Seconds until a durable produce and a fetch were answered."""
    start = time.monotonic()
    batch = frames.record_batch(b"\x10\0\0\0\1\2a\0", 0, 1)
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
            time.sleep(1.5)
            for pid in pids(broker):
                name = pathlib.Path(f"/proc/{pid}/comm").read_text()
                if "dataplane" in name or "control" in name:
                    os.kill(pid, signal.SIGKILL)
            results.append(first_answers(broker))
            load.kill()
            load.wait()
        results.sort()
        print(f"kill -9 of both, {options.gigabytes} GB in {RECOVERY_PARTITIONS} partitions: "
              f"{1000 * results[2]:.0f} ms to the first durable produce and fetch (median of "
              f"{[round(1000 * r) for r in results]}, limit 300)")


CASES = {"idle": case_idle, "partitions": case_partitions, "recovery": case_recovery}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--case", action="append", choices=sorted(CASES))
    parser.add_argument("--gigabytes", type=int, default=20)
    options = parser.parse_args()
    for name in options.case or CASES:
        CASES[name](options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
