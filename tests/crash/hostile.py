#!/usr/bin/env python3
"""Hostile clients: whatever they do, the broker lives and other clients keep working.

A witness produces and reads back numbered records all the while; after every attack it must have
gone on, and the dataplane must be the process it was.

    hostile.py --build build [--seed N]
"""

import argparse
import pathlib
import random
import resource
import socket
import struct
import sys
import threading
import time
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(1, str(HERE.parent / "interop"))
sys.path.insert(2, str(HERE.parent))
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import frames  # noqa: E402  pylint: disable=wrong-import-position
import clients_venv  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal  # noqa: E402  pylint: disable=wrong-import-position

clients_venv.need_clients()
import confluent_kafka.admin  # noqa: E402  pylint: disable=wrong-import-position

WITNESS_RECORDS = 200
WITNESS_SECONDS_MAX = 90
WITNESS_LARGE_BYTES = 300_000  # A frame that needs memory of its own.
MIB = 1 << 20
MESSAGE_TOO_LARGE = 10


class Witness:
    """An ordinary client, on connections of its own."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.sent = 0
        self.producer = confluent_kafka.Producer({
            "bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 0,
            "message.timeout.ms": WITNESS_SECONDS_MAX * 1000})
        self.consumer = confluent_kafka.Consumer({
            "bootstrap.servers": bootstrap, "group.id": "witness", "enable.auto.commit": False})
        self.go_on()
        self.consumer.assign([confluent_kafka.TopicPartition("witness", 0, 0)])
        self.read = 0

    def go_on(self):
        """Some more records must be acked now, and be readable."""
        failures = []
        for number in range(WITNESS_RECORDS):
            value = str(self.sent).rjust(WITNESS_LARGE_BYTES if number == 0 else 1)
            self.producer.produce("witness", value=value, partition=0,
                                  on_delivery=lambda error, _: failures.append(error)
                                  if error else None)
            self.sent += 1
        equal(self.producer.flush(WITNESS_SECONDS_MAX), 0, "the witness's records are stuck")
        equal(failures, [], "the witness's records failed")

    def catch_up(self):
        deadline = time.monotonic() + WITNESS_SECONDS_MAX
        while self.read < self.sent:
            assert time.monotonic() < deadline, f"read {self.read} of {self.sent}"
            for message in self.consumer.consume(500, 0.2):
                assert message.error() is None, message.error()
                equal(int(message.value()), self.read, "order")
                self.read += 1


def connect(bootstrap, seconds=60):
    host, port = bootstrap.split(":")
    made = socket.create_connection((host, int(port)), timeout=seconds)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def finish(connection):
    """Reads until the broker closes or stays silent; a reset is an answer, too."""
    try:
        connection.settimeout(0.2)
        while connection.recv(65536):
            pass
    except OSError:
        pass
    connection.close()


def send_and_finish(bootstrap, data):
    connection = connect(bootstrap)
    try:
        connection.sendall(data)
    except OSError:
        pass
    finish(connection)


def random_bytes(bootstrap, chance):
    for _ in range(200):
        send_and_finish(bootstrap, chance.randbytes(chance.randrange(1, 2000)))


def bad_lengths(bootstrap, _chance):
    for length in (-1, -2**31, 0, 1, 7, 2**31 - 1, 101 * MIB):
        send_and_finish(bootstrap, struct.pack(">i", length) + b"x" * 64)


def unknown_apis(bootstrap, chance):
    for key in (4, 5, 6, 7, 52, 56, 62, 93, 999, -1, 32767):
        send_and_finish(bootstrap, frames.framed(
            struct.pack(">hhih", key, 0, 1, -1) + chance.randbytes(30)))


def mutated_requests(bootstrap, chance):
    """Each API and version, cut at every few bytes, and with random bytes changed."""
    for body in frames.all_requests():
        for _ in range(3):
            cut = body[:chance.randrange(8, len(body) + 1)]
            send_and_finish(bootstrap, frames.framed(cut))
            broken = bytearray(body)
            for _ in range(chance.randrange(1, 6)):
                broken[chance.randrange(4, len(broken))] = chance.randrange(256)
            send_and_finish(bootstrap, frames.framed(bytes(broken)))


def half_frames(bootstrap, _chance):
    """Slowloris: 300 connections that send one byte at a time and never end a frame."""
    open_ones = [connect(bootstrap) for _ in range(300)]
    try:
        data = struct.pack(">i", 5000) + b"\0\3\0\14" + b"s" * 200
        for byte in data[:60]:
            for connection in open_ones:
                connection.sendall(bytes([byte]))
    finally:
        for connection in open_ones:
            connection.close()


def many_large_frames(bootstrap, _chance):
    """Twelve peers announce 100 MiB each; four send theirs whole, the others stop midway."""
    def peer(number):
        connection = connect(bootstrap, 60)
        header = struct.pack(">hhihh", 0, 3, number, -1, 0)
        try:
            connection.sendall(struct.pack(">i", 100 * MIB) + header)
            block = bytes(MIB)
            for _ in range(99 if number < 4 else 30):
                connection.sendall(block)
        except OSError:
            pass
        finish(connection)
    peers = [threading.Thread(target=peer, args=(number,)) for number in range(12)]
    for thread in peers:
        thread.start()
    for thread in peers:
        thread.join(90)
        assert not thread.is_alive(), "a large frame hangs for good"


def bomb():
    """A batch below max.message.bytes, in gzip, whose only record has a value of a gigabyte."""
    value = 1024 * MIB
    before = b"\0\0\0\1" + frames.uvarint(value << 1)
    before = frames.uvarint(len(before) + value + 1 << 1) + before
    squeezed = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = squeezed.compress(before)
    body += b"".join(squeezed.compress(bytes(MIB)) for _ in range(1024))
    body += squeezed.compress(b"\0") + squeezed.flush()
    return frames.record_batch(body, codec=1, count=1)


def bombs(bootstrap, _chance):
    """Small batches that inflate to a gigabyte."""
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([confluent_kafka.admin.NewTopic("bomb", 1, 1)])["bomb"].result(30)
    request = frames.framed(frames.produce_request("bomb", 0, bomb()))
    for _ in range(5):
        connection = connect(bootstrap, 60)
        connection.sendall(request)
        connection.settimeout(90)
        equal(frames.produce_error(connection.recv(4096)), MESSAGE_TOO_LARGE, "a bomb's answer")
        connection.close()


def thousand_at_once(bootstrap, _chance):
    made = [connect(bootstrap) for _ in range(1000)]
    request = frames.framed(frames.api_versions_request())
    for connection in made:
        connection.sendall(request)
    for connection in made:
        connection.settimeout(90)
        assert len(connection.recv(4)) == 4, "no answer"
    for connection in made:
        connection.close()


def ten_thousand_idle(bootstrap, _chance):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    made = []
    try:
        for _ in range(10000):
            made.append(connect(bootstrap))
        request = frames.framed(frames.api_versions_request())
        for connection in made[::97]:
            connection.sendall(request)
            assert len(connection.recv(4)) == 4, "no answer on an idle connection"
    finally:
        for connection in made:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def readers_that_do_not_read(bootstrap, _chance):
    """Fifty clients ask for data over and over and never take the answers."""
    made = []
    for _ in range(50):
        connection = connect(bootstrap)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(0.5)
        try:
            for _ in range(200):
                connection.sendall(frames.framed(frames.fetch_request("witness", 0, 0, MIB)))
        except OSError:
            pass
        made.append(connection)
    time.sleep(1)
    for connection in made:
        connection.close()


ATTACKS = [
    ("random bytes", random_bytes),
    ("impossible lengths", bad_lengths),
    ("unknown APIs", unknown_apis),
    ("every API truncated and mutated", mutated_requests),
    ("slowloris", half_frames),
    ("100 MiB frames from many at once", many_large_frames),
    ("decompression bombs", bombs),
    ("1,000 connections at once", thousand_at_once),
    ("readers that do not read", readers_that_do_not_read),
    ("10,000 idle connections", ten_thousand_idle),
]


def under_attack(broker, witness, attack, chance):
    before = broker.pid_of("dataplane")
    thread_error = []

    def run():
        try:
            attack(broker.bootstrap, chance)
        except Exception as error:  # pylint: disable=broad-except
            thread_error.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    witness.go_on()
    while thread.is_alive():
        time.sleep(0.1)
        witness.go_on()
    witness.go_on()
    witness.catch_up()
    if thread_error:
        raise thread_error[0]
    equal(broker.pid_of("dataplane"), before, "the dataplane was restarted")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tap, chance = Tap(), random.Random(options.seed)
    with brokers.Millrace(options.build) as broker:
        witness = Witness(broker.bootstrap)
        for name, attack in ATTACKS:
            tap.check(name, under_attack, broker, witness, attack, chance)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
