#!/usr/bin/env python3
"""A full disk: a small ext4 of its own, loop-mounted, beside a directory with room.

Produce to partitions there fails with Kafka's storage error; partitions on the other directory and
all fetches go on; room comes back and the broker heals without a restart.

    full_disk.py --build build      (needs root for the mount)
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(1, str(HERE.parent / "interop"))
sys.path.insert(2, str(HERE.parent))
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import clients_venv  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal, skip_all  # noqa: E402  pylint: disable=wrong-import-position

clients_venv.need_clients()
import confluent_kafka  # noqa: E402  pylint: disable=wrong-import-position
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402

DISK_MIB = 96
VALUE = bytes(range(256)) * 400  # 100 KiB
PARTITIONS = 8


class SmallDisk:
    """An ext4 of DISK_MIB in a file, mounted at path."""

    def __init__(self, folder):
        self.image = folder / "small.img"
        self.path = folder / "small"

    def mount(self):
        self.path.mkdir(parents=True)
        with open(self.image, "wb") as image:
            image.truncate(DISK_MIB << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self.image)], check=True)
        done = subprocess.run(["mount", "-o", "loop", str(self.image), str(self.path)],
                              stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise OSError(done.stderr.decode().strip())

    def unmount(self):
        subprocess.run(["umount", "-l", str(self.path)], check=False)


def send(producer, partition, count, value=VALUE):
    """Sends count records; returns (acked, error names)."""
    acked, errors = [], []

    def delivered(error, message):
        if error is None:
            acked.append(message.offset())
        else:
            errors.append(error.name())
    for _ in range(count):
        producer.produce("full", value=value, partition=partition, on_delivery=delivered)
        producer.poll(0)
    producer.flush(70)
    return acked, errors


def producer_of(broker):
    return confluent_kafka.Producer({
        "bootstrap.servers": broker.bootstrap, "acks": -1, "retries": 2, "retry.backoff.ms": 50,
        "message.timeout.ms": 60000, "linger.ms": 0, "batch.num.messages": 1})


def places(broker):
    """Partitions of "full" by data directory, as the directories on disk tell."""
    found = {}
    for index, data in enumerate(broker.data):
        found[index] = sorted(int(path.name.split("-")[1]) for path in
                              pathlib.Path(data).glob("full-*"))
    return found


def count_records(broker, partition):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "f",
                                         "enable.auto.commit": False})
    place = confluent_kafka.TopicPartition("full", partition, 0)
    low, high = consumer.get_watermark_offsets(place, timeout=60)
    consumer.assign([confluent_kafka.TopicPartition("full", partition, low)])
    got, deadline = 0, time.monotonic() + 90
    while low + got < high:
        assert time.monotonic() < deadline, f"read {got} of {high - low}"
        for message in consumer.consume(100, 0.2):
            assert message.error() is None, message.error()
            equal(message.value(), VALUE, "value")
            got += 1
    consumer.close()
    return got


class Story:
    def __init__(self, broker, disk):
        self.broker, self.disk = broker, disk
        self.producer = producer_of(broker)
        self.on_small, self.on_large, self.acked = None, None, 0

    def spread(self):
        found = places(self.broker)
        assert len(found[0]) > 0 and len(found[1]) > 0, f"all in one directory: {found}"
        self.on_large, self.on_small = found[0][0], found[1][0]

    def fill(self):
        for _ in range(40):
            acked, errors = send(self.producer, self.on_small, 50)
            self.acked += len(acked)
            if errors:
                break
        assert errors, "the disk never became full"
        equal(set(errors) - {"KAFKA_STORAGE_ERROR", "_MSG_TIMED_OUT"}, set(), "error")

    def others_go_on(self):
        acked, errors = send(self.producer, self.on_large, 100)
        equal((len(acked), errors), (100, []))

    def fetch_goes_on(self):
        equal(count_records(self.broker, self.on_small), self.acked)

    def heal(self):
        (self.disk.path / "ballast").unlink()
        deadline = time.monotonic() + 60
        while True:
            acked, _ = send(self.producer, self.on_small, 1)
            if acked:
                break
            assert time.monotonic() < deadline, "did not heal"
            time.sleep(0.5)
        equal(acked, [self.acked], "offsets go on where they were")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    options = parser.parse_args()
    if os.geteuid() != 0:
        skip_all("mounting needs root")
    tap = Tap()
    broker = brokers.Millrace(options.build, data_count=2)
    disk = SmallDisk(broker.folder / "disk")
    try:
        disk.mount()
    except OSError as reason:
        skip_all(f"no loop mount here: {reason}")
    try:
        (disk.path / "ballast").write_bytes(bytes(16 << 20))
        broker.data[1] = str(disk.path / "data")
        with broker:
            admin = AdminClient({"bootstrap.servers": broker.bootstrap})
            admin.create_topics([NewTopic("full", PARTITIONS, 1, config={
                "segment.bytes": str(4 << 20), "file.delete.delay.ms": "0"})])["full"].result(30)
            story = Story(broker, disk)
            for name, step in (
                    ("partitions are spread over the directories", story.spread),
                    ("a full disk is Kafka's storage error", story.fill),
                    ("partitions on the other directory go on", story.others_go_on),
                    ("fetch from the full disk goes on, nothing acked is missing",
                     story.fetch_goes_on),
                    ("room comes back: heals without a restart", story.heal)):
                if not tap.check(name, step):
                    break
    finally:
        disk.unmount()
        broker.remove()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
