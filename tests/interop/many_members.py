#!/usr/bin/env python3
"""A thousand members in one group, over sockets of their own: both protocols come to rest."""

import argparse
import json
import pathlib
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import brokers  # noqa: E402  pylint: disable=wrong-import-position
from many_topics import Fields, Wire, string  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal  # noqa: E402  pylint: disable=wrong-import-position

MEMBERS = 1000
REST_SECONDS_MAX = 200
LOADING = (14, 15, 16)  # The coordinator is not there yet.


def compact(text):
    return varint(len(text) + 1) + text.encode()


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def uvarint(fields):
    value, shift = 0, 0
    while True:
        byte, = fields.take("B")
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return value


def compact_text(fields):
    size = max(uvarint(fields) - 1, 0)
    fields.at += size
    return fields.data[fields.at - size:fields.at]


class Member:
    """One member of the consumer protocol (KIP-848): says what it has when that has changed."""

    def __init__(self, bootstrap, number):
        self.wire = Wire(bootstrap)
        self.name = f"member-{number:04}"
        self.epoch = 0
        self.topic = b""
        self.has = []
        self.told = True  # What it has.

    def send(self):
        joins = self.epoch == 0
        body = b"\0" + compact("many") + compact(self.name)
        body += struct.pack(">ihi", self.epoch, 0, 60000 if joins else -1)
        body += b"\2" + compact("spread") if joins else b"\0"
        body += b"\0\0"
        if joins:
            body += b"\1"
        elif self.told:
            body += b"\0"
        else:
            body += b"\2" + self.topic + varint(len(self.has) + 1)
            body += struct.pack(f">{len(self.has)}i", *self.has) + b"\0"
        self.told = True
        self.wire.send(68, 1, body + b"\0")

    def receive(self):
        fields = Fields(self.wire.receive())
        _, _, error = fields.take("bih")
        message, _ = compact_text(fields), compact_text(fields)
        epoch, _, given = fields.take("iib")
        if error in LOADING and self.epoch == 0:
            return
        equal(error, 0, f"{self.name}: {message}")
        self.epoch = epoch
        if given < 0:
            return
        has = []
        for _ in range(uvarint(fields) - 1):
            self.topic = fields.take("16s")[0]
            count = uvarint(fields) - 1
            has += fields.take(f"{count}i")
            fields.take("b")
        self.told = has == self.has
        self.has = has


def beat(members):
    for member in members:
        member.send()
    for member in members:
        member.receive()


def at_rest(members, each):
    """All partitions have one owner, all owners as many, and all know the newest epoch."""
    owned = sorted(partition for member in members for partition in member.has)
    return (owned == list(range(MEMBERS)) and len({member.epoch for member in members}) == 1 and
            all(len(member.has) == each and member.told for member in members))


def come_to_rest(members, each):
    """Heartbeats of each that it took."""
    deadline = time.monotonic() + REST_SECONDS_MAX
    rounds = 0
    while not at_rest(members, each):
        equal(time.monotonic() < deadline, True, f"at rest after {rounds} heartbeats of each")
        beat(members)
        rounds += 1
    return rounds


def consumer_members_share_all_partitions(broker):
    wire = Wire(broker.bootstrap)
    wire.call(19, 4, struct.pack(">i", 1) + string("spread") +
              struct.pack(">ihiii?", MEMBERS, 1, 0, 0, 60000, False))
    wire.call(10, 0, string("many"))
    members = [Member(broker.bootstrap, number) for number in range(MEMBERS)]
    began = time.monotonic()
    rounds = come_to_rest(members, 1)
    joined = time.monotonic()
    for member in members[MEMBERS // 2:]:
        member.epoch = -1
    beat(members[MEMBERS // 2:])
    again = come_to_rest(members[:MEMBERS // 2], 2)
    print(f"# {MEMBERS} members of the consumer protocol: at rest after {joined - began:.1f} s and "
          f"{rounds} heartbeats of each, {time.monotonic() - joined:.1f} s and {again} after half "
          "of them left", flush=True)


def classic_members_rebalance(build, broker):
    done = subprocess.run(
        [str(pathlib.Path(build) / "tools" / "millrace"), "bench", "rebalance", "--bootstrap",
         broker.bootstrap, "--connections", str(MEMBERS), "--seconds", "2", "--warm-up", "0",
         "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=REST_SECONDS_MAX,
        check=False)
    equal(done.returncode, 0, done.stderr.decode(errors="replace"))
    told = json.loads(done.stdout)
    equal(told["errors"], 0, "errors")
    equal(told["requests"] > 0, True, "a rebalance is whole")
    print(f"# {MEMBERS} members of the classic protocol: {told['requests']} rebalances, half of "
          f"them within {told['latency_us']['p50'] / 1000:.0f} ms", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    options = parser.parse_args()
    tap = Tap()
    with brokers.Millrace(options.build) as broker:
        tap.check(f"{MEMBERS} members of the consumer protocol share all partitions, and again "
                  "when half of them leave", consumer_members_share_all_partitions, broker)
        tap.check(f"{MEMBERS} members of the classic protocol rebalance", classic_members_rebalance,
                  options.build, broker)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
