#!/usr/bin/env python3
"""Compaction of a topic of which one record in ten is live, by Millrace and by Kafka in turns.

A topic is written without compaction; then its policy is changed, and the time runs until the
cleaner's checkpoint says that all but its last segments are clean. A second topic is compacted
beside a load whose latencies are compared with those without.

    compaction.py load BOOTSTRAP TOPIC MEGABYTES        (with confluent_kafka; for measure())
"""

import json
import os
import pathlib
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "interop"), str(HERE.parent / "crash")]
import frames  # noqa: E402  pylint: disable=wrong-import-position
import pins  # noqa: E402  pylint: disable=wrong-import-position
import versus_kafka  # noqa: E402  pylint: disable=wrong-import-position

VALUE_BYTES = 1000
SEGMENT_BYTES = 64 << 20
LIVE_ONE_IN = 10
SECONDS_MAX = 900
TOPIC, BROKER = 2, 4  # Types of resources.
LATENCY = ["latency", "--rate", "1000"]


def load(bootstrap, topic, megabytes):
    """Random values; each key comes ten times, in ten rounds over all."""
    import confluent_kafka  # pylint: disable=import-outside-toplevel,import-error
    producer = confluent_kafka.Producer({
        "bootstrap.servers": bootstrap, "linger.ms": 20, "batch.size": 1000000,
        "queue.buffering.max.messages": 1000000, "acks": "all", "enable.idempotence": True})
    noise = os.urandom(1 << 20)
    count = records(megabytes)
    for i in range(count):
        at = i * 997 % (len(noise) - VALUE_BYTES)
        key = b"key-%08d" % (i % (count // LIVE_ONE_IN))
        while True:
            try:
                producer.produce(topic, noise[at:at + VALUE_BYTES], key, partition=0)
                break
            except BufferError:
                producer.poll(0.1)
        if i % 1000 == 0:
            producer.poll(0)
    assert producer.flush(SECONDS_MAX) == 0, "not all was taken"


def records(megabytes):
    return int(megabytes * 1e6) // VALUE_BYTES


def alter(call, kind, name, entries):
    """IncrementalAlterConfigs of one resource, version 0."""
    body = struct.pack(">ib", 1, kind) + frames.string(name) + struct.pack(">i", len(entries))
    for key, value in entries.items():
        body += frames.string(key) + b"\0" + frames.string(value)
    answer = call(frames.header(44, 0, False) + body + b"\0")
    code, = struct.unpack_from(">h", answer, 12)
    assert code == 0, f"IncrementalAlterConfigs of {name}: error {code}"


def create(call, topic):
    """CreateTopics, version 2."""
    entries = {"segment.bytes": str(SEGMENT_BYTES), "retention.ms": "-1"}
    body = struct.pack(">i", 1) + frames.string(topic) + struct.pack(">ihii", 1, 1, 0, len(entries))
    for key, value in entries.items():
        body += frames.string(key) + frames.string(value)
    answer = call(frames.header(19, 2, False) + body + struct.pack(">ib", 60000, 0))
    code, = struct.unpack_from(">h", answer, 12 + 2 + len(topic))
    assert code == 0, f"CreateTopics of {topic}: error {code}"


def clean_to(data, topic):
    """The first offset that is not yet compacted."""
    path = pathlib.Path(data) / "cleaner-offset-checkpoint"
    lines = path.read_text(encoding="utf-8").splitlines()[2:] if path.exists() else []
    return max([int(line.split()[2]) for line in lines if line.startswith(topic + " 0 ")] + [0])


def size_of(data, topic):
    return sum(file.stat().st_size for file in (pathlib.Path(data) / f"{topic}-0").glob("*.log"))


def compact(call, data, topic, megabytes):
    """Seconds from the change of the policy until it is done."""
    all_but = 2.2 * SEGMENT_BYTES / VALUE_BYTES  # The last ones are still written, or just were.
    start = time.monotonic()
    alter(call, TOPIC, topic, {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01"})
    while clean_to(data, topic) < records(megabytes) - all_but:
        assert time.monotonic() - start < SECONDS_MAX, "not compacted"
        time.sleep(0.02)
    return time.monotonic() - start


def settle(cold):
    """cold: nothing of the log is left in the host's page cache, as where it is larger."""
    versus_kafka.settle()
    if cold:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("1", encoding="ascii")


def measure(target, data, connect, tool, megabytes, cold):
    """One turn: MB/s, p99 in us without and beside it, and the share of the bytes that is left."""
    call = connect(target.broker)
    alter(call, BROKER, "", {"log.cleaner.backoff.ms": "100"})
    for topic in ("alone", "beside"):
        create(call, topic)
        subprocess.run([pins.python_with("clients"), str(HERE / "compaction.py"), "load",
                        target.broker.bootstrap, topic, str(megabytes)], check=True,
                       timeout=SECONDS_MAX)
    target.pin()
    settle(cold)
    before = size_of(data, "alone")
    seconds = compact(call, data, "alone", megabytes)
    left = size_of(data, "alone")
    settle(cold)
    span = max(2, round(seconds))
    quiet = versus_kafka.bench(tool, target, LATENCY, span, 1)
    command = [tool, "bench", *LATENCY, "--bootstrap", target.broker.bootstrap, "--seconds",
               str(span), "--warm-up", "1", "--cpu", str(versus_kafka.LOAD_CPU), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as beside:
        time.sleep(1)
        compact(call, data, "beside", megabytes)
        busy = json.loads(beside.communicate()[0])
    assert busy["verified"] and busy["errors"] == 0, busy
    return {"mb_per_s": before / seconds / 1e6, "left": left / before,
            "p99_alone": versus_kafka.figure(quiet, "p99"),
            "p99_beside": versus_kafka.figure(busy, "p99")}


if __name__ == "__main__":
    load(sys.argv[2], sys.argv[3], float(sys.argv[4]))
