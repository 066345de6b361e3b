#!/usr/bin/env python3
"""Ten thousand topics: described in one request, listed in one answer, in bounded memory."""

import argparse
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import brokers  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal  # noqa: E402  pylint: disable=wrong-import-position

TOPICS = 10000
OF_REQUEST = 2000
# What answers in pieces need: in a core one piece, in control the whole answer, while it grows the
# old and the new memory of it, and what the allocator keeps.
GROWTH_BYTES_MAX = 192 << 20


class Wire:
    """One connection; requests and answers as bytes behind their headers."""

    def __init__(self, bootstrap):
        host, port = bootstrap.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=60)
        self.number = 0

    def _exactly(self, count):
        data = bytearray()
        while len(data) < count:
            more = self.socket.recv(min(1 << 20, count - len(data)))
            if not more:
                raise ConnectionError(f"closed after {len(data)} of {count} bytes")
            data += more
        return bytes(data)

    def send(self, key, version, body):
        self.number += 1
        head = struct.pack(">hhih", key, version, self.number, 4) + b"many"
        self.socket.sendall(struct.pack(">i", len(head) + len(body)) + head + body)

    def receive(self):
        answer = self._exactly(*struct.unpack(">i", self._exactly(4)))
        equal(struct.unpack(">i", answer[:4])[0], self.number, "correlation id")
        return answer[4:]

    def call(self, key, version, body):
        self.send(key, version, body)
        return self.receive()


def string(text):
    return struct.pack(">h", len(text)) + text.encode()


def name(i):
    return f"topic-{i:05}"


def create(wire):
    for first in range(0, TOPICS, OF_REQUEST):
        body = struct.pack(">i", OF_REQUEST)
        for i in range(first, first + OF_REQUEST):
            body += string(name(i)) + struct.pack(">ihii", 1, 1, 0, 0)
        answer = wire.call(19, 4, body + struct.pack(">i?", 60000, False))
        at = 8
        for i in range(first, first + OF_REQUEST):
            size = struct.unpack_from(">h", answer, at)[0]
            error, text = struct.unpack_from(">hh", answer, at + 2 + size)
            equal(error, 0, name(i))
            at += 2 + size + 4 + max(text, 0)
        equal(at, len(answer), "answer")


def describe_request():
    body = struct.pack(">i", TOPICS)
    for i in range(TOPICS):
        body += struct.pack(">b", 2) + string(name(i)) + struct.pack(">i", -1)
    return body + struct.pack(">??", True, False)


class Fields:
    """Reads an answer from its start."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values

    def text(self):
        size, = self.take("h")
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at]


def described_check(answer):
    fields = Fields(answer)
    equal(fields.take("ii"), (0, TOPICS), "throttle time and count")
    keys = set()
    for i in range(TOPICS):
        equal(fields.take("h")[0], 0, name(i))
        fields.text()
        equal((fields.take("b")[0], fields.text()), (2, name(i).encode()), "resource")
        count, = fields.take("i")
        keys.add(count)
        for _ in range(count):
            fields.text()
            fields.text()
            fields.take("?b?")
            for _ in range(fields.take("i")[0]):
                fields.text()
                fields.text()
                fields.take("b")
            fields.take("b")
            fields.text()
    equal(fields.at, len(answer), "the answer's end")
    equal(len(keys), 1, "numbers of keys")
    print(f"# DescribeConfigs: {len(answer)} bytes, {keys.pop()} keys of a topic")


def resident_bytes(processes):
    pages = [int(pathlib.Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
             for pid in processes]
    return [count * os.sysconf("SC_PAGE_SIZE") for count in pages]


def describe(wire, processes):
    before = resident_bytes(processes)
    body = describe_request()
    described_check(wire.call(32, 3, body))
    once = resident_bytes(processes)
    for _ in range(3):  # It does not add up.
        equal(len(wire.call(32, 3, body)) > 8 << 20, True, "long")
    after = resident_bytes(processes)
    print(f"# resident MiB, {[size >> 20 for size in before]} at first, "
          f"{[size >> 20 for size in once]} with one answer, "
          f"{[size >> 20 for size in after]} with three more")
    for old, new in zip(before, after):
        equal(new - old < GROWTH_BYTES_MAX, True, "memory grew within bounds")


def others_wait_little(bootstrap, wire):
    """A long answer that nobody reads, and another one beside it."""
    deaf = [Wire(bootstrap) for _ in range(4)]
    for one in deaf:
        one.send(32, 3, describe_request())
    body = struct.pack(">i", 1) + struct.pack(">b", 2) + string(name(0)) + struct.pack(">i", -1)
    for _ in range(20):
        equal(len(wire.call(32, 3, body + struct.pack(">??", True, False))) < 100000, True, "one")
    described_check(deaf[0].receive())
    for one in deaf:
        one.socket.close()
    described_check(wire.call(32, 3, describe_request()))


def metadata(wire):
    fields = Fields(wire.call(3, 1, struct.pack(">i", -1)))
    for _ in range(fields.take("i")[0]):
        fields.take("i")
        fields.text()
        fields.take("i")
        fields.text()
    fields.take("i")
    equal(fields.take("i")[0], TOPICS, "topics")
    seen = set()
    for _ in range(TOPICS):
        equal(fields.take("h")[0], 0, "error")
        seen.add(fields.text())
        fields.take("?")
        equal(fields.take("i")[0], 1, "partitions")
        error, _index, leader = fields.take("hii")
        equal((error, leader), (0, 1), "partition")
        for _ in range(2):
            fields.take("i" * fields.take("i")[0])
    equal(fields.at, len(fields.data), "the answer's end")
    equal(len(seen), TOPICS, "names")


def tool(build, bootstrap):
    """DescribeTopicPartitions, page by page, and Metadata in its newest version."""
    command = [str(pathlib.Path(build) / "tools" / "millrace"), "topic", "list",
               "--bootstrap", bootstrap, "-o", "json"]
    listed = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE,
                                       timeout=60).stdout)
    equal(len(listed if isinstance(listed, list) else listed["topics"]), TOPICS, "topics")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    options = parser.parse_args()
    tap = Tap()
    with brokers.Millrace(options.build) as broker:
        wire = Wire(broker.bootstrap)
        processes = [broker.pid_of("dataplane"), broker.pid_of("control")]
        if tap.check("ten thousand topics are created", create, wire):
            tap.check("one request describes them all", describe, wire, processes)
            tap.check("others wait little meanwhile", others_wait_little, broker.bootstrap, wire)
            tap.check("one Metadata answer lists them all", metadata, wire)
            tap.check("the command line tool lists them all", tool, options.build,
                      broker.bootstrap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
