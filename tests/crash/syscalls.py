#!/usr/bin/env python3
"""No sleeping call on a core: every system call of every core thread, under load, by strace.

A core may enter io_uring, wait for it, and read the clock; files, locks and sleeps belong to other
threads. Rolls, new partitions, deletions and retention happen while the trace runs.

    syscalls.py --build build
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(1, str(HERE.parent / "interop"))
sys.path.insert(2, str(HERE.parent))
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import clients_venv  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, skip_all  # noqa: E402  pylint: disable=wrong-import-position

clients_venv.need_clients()
import confluent_kafka  # noqa: E402  pylint: disable=wrong-import-position
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402

# What a core's thread may call, and how the call must look. None of these waits for a device:
# write and read: eight bytes of an eventfd; futex: only to wake another thread;
# io_uring_register: a segment file enters the ring's table of files; names of sockets: local;
# getsockopt: how far a slow peer has come.
ALLOWED = {
    "io_uring_enter": "", "io_uring_register": "", "clock_gettime": "", "getpid": "",
    "restart_syscall": "", "rt_sigreturn": "", "sched_yield": "", "close": "",
    "getpeername": "", "getsockname": "", "getsockopt": "TCP_INFO",
    "futex": "FUTEX_WAKE", "write": ", 8", "read": ", 8",
}


def core_threads(pid):
    """Thread ids of the cores: the threads that the loop has named."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        if re.match(r"(core|dpdk-worker|rte-worker|lcore)", name):
            found.append(int(task.name))
    return found


def exercise(broker):
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    config = {"segment.bytes": str(1 << 20), "retention.bytes": str(4 << 20),
              "file.delete.delay.ms": "100"}
    for future in admin.create_topics([NewTopic("traced", 4, 1, config=config),
                                       NewTopic("traced-gone", 4, 1)]).values():
        future.result(30)
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 1,
                                         "enable.idempotence": True, "compression.type": "lz4"})
    for i in range(30000):
        while True:
            try:
                producer.produce("traced" if i % 10 else "traced-gone",
                                 value=bytes([i % 251]) * 100 + str(i * 7919).encode() * 80,
                                 partition=i % 4)
                break
            except BufferError:
                producer.poll(0.05)
        producer.poll(0)
    assert producer.flush(60) == 0
    consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "t",
                                         "auto.offset.reset": "earliest",
                                         "enable.auto.commit": False})
    consumer.assign([confluent_kafka.TopicPartition("traced", p, confluent_kafka.OFFSET_BEGINNING)
                     for p in range(4)])
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        consumer.consume(500, 0.2)
    consumer.close()
    admin.delete_topics(["traced-gone"])["traced-gone"].result(30)
    time.sleep(1)


def trace(broker, output):
    threads = core_threads(broker.pid_of("dataplane"))
    assert threads, "no core threads found"
    command = ["strace", "-o", str(output), "-f"]
    for thread in threads:
        command += ["-p", str(thread)]
    tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        exercise(broker)
    finally:
        tracer.terminate()
        tracer.wait(20)
    return threads


def half_shown(name, line):
    """strace cuts a call in two when another thread comes between; a read shows its size last."""
    return " resumed>" in line or (name == "read" and "<unfinished" in line)


def check(threads, output):
    seen = {}
    for line in output.read_text(errors="replace").splitlines():
        found = re.match(r"(\d+)\s+(?:<\.\.\. )?(\w+)[( ]", line)  # Or "... resumed".
        if found and int(found.group(1)) in threads:
            seen.setdefault(found.group(2), []).append(line)
    print(f"# calls: { {name: len(lines) for name, lines in sorted(seen.items())} }", flush=True)
    assert seen.get("io_uring_enter"), "nothing was traced"
    wrong = [line for name, lines in seen.items() for line in lines
             if name not in ALLOWED or
             (ALLOWED[name] not in line and not half_shown(name, line))]
    assert not wrong, f"sleeping calls on a core: {wrong[:10]}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    options = parser.parse_args()
    if shutil.which("strace") is None:
        skip_all("strace is not installed")
    tap = Tap()
    with brokers.Millrace(options.build) as broker:
        output = broker.folder / "strace.txt"
        tap.check("cores make no sleeping system call (H11)",
                  lambda: check(trace(broker, output), output))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
