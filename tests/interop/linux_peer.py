#!/usr/bin/env python3
"""Our own TCP against Linux's, over a tap and over a veth with a packet socket and with AF_XDP:
bulk both ways, thousands of connections, peers that stand still or are killed, a flood of SYNs.
What goes over the wire is captured, and tshark's expert says what was wrong with it."""

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[0:2]]
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import flood  # noqa: E402  pylint: disable=wrong-import-position
import pins  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal, skip_all  # noqa: E402  pylint: disable=wrong-import-position

LINE_BYTES = 1000
BULK_BYTES = 20_000_000
CONNECTIONS = 10_000
TOGETHER = 200
STANDSTILL_SECONDS = 6
LINK_DOWN_SECONDS = 1.5
CAPTURED_BYTES = 160  # Of each frame: every header.

# What tshark looks for; each check says how much of which it allows. A few repetitions are always:
# our timeout is 5 ms beyond a round trip, this machine may not run for longer than that, and Linux
# drops what its buffer cannot hold, also within the window it has told. The ring of a packet socket
# holds 512 frames, and loses more when nobody reads it for a while.
REPEATED = {"retransmission": 300, "spurious_retransmission": 300, "out_of_order": 100,
            "duplicate_ack": 1000}
REPEATED_PACKET_SOCKET = {"retransmission": 3000, "fast_retransmission": 3000,
                          "spurious_retransmission": 3000, "out_of_order": 3000,
                          "lost_segment": 3000, "duplicate_ack": 20_000}
FLAGS = ["retransmission", "fast_retransmission", "spurious_retransmission", "out_of_order",
         "lost_segment", "ack_lost_segment", "zero_window", "window_full", "reused_ports",
         "duplicate_ack"]


# ---- The Kafka protocol, as far as it is needed --------------------------------------------------


def frame(api, version, body, correlation=7):
    head = struct.pack(">hhih", api, version, correlation, -1)
    return struct.pack(">i", len(head) + len(body)) + head + body


API_VERSIONS = frame(18, 0, b"")


def fetch(topic, offset, max_bytes):
    body = struct.pack(">iiiib", -1, 500, 1, max_bytes, 0) + struct.pack(">i", 1)
    body += struct.pack(">h", len(topic)) + topic.encode() + struct.pack(">i", 1)
    return frame(1, 4, body + struct.pack(">iqi", 0, offset, max_bytes))


def read_exactly(connection, count):
    parts = []
    while count > 0:
        part = connection.recv(min(count, 1 << 18))
        if not part:
            raise AssertionError("the connection ended early")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read_answer(connection):
    return read_exactly(connection, struct.unpack(">i", read_exactly(connection, 4))[0])


def connect(address):
    connection = socket.create_connection(address, timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


# ---- Peers: this file again, in a process of its own, inside the network -------------------------


def peer_connections(address, count):
    """Opens, asks once, closes; TOGETHER at a time."""
    for _ in range(count // TOGETHER):
        connections = [connect(address) for _ in range(TOGETHER)]
        for connection in connections:
            connection.sendall(API_VERSIONS)
        for connection in connections:
            read_answer(connection)
            connection.close()
    print("done", flush=True)


def peer_reader(address, topic, times):
    """Fetches the beginning of the topic so many times, all asked for at once. Answers may be of
    any length, as the broker has memory; none may be empty or differ from the longest."""
    connection = connect(address)
    for _ in range(times):
        connection.sendall(fetch(topic, 0, 4_000_000))
    print("asked", flush=True)
    records = [read_answer(connection)[48 + len(topic):] for _ in range(times)]
    longest = max(records, key=len)
    print(sum(len(part) > 0 and longest.startswith(part) for part in records), flush=True)


def peer_steady(address):
    """Asks one small question after the other on one connection, until it is told to end; says
    when ten more were answered, when it is told to."""
    ended = []
    wanted = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    signal.signal(signal.SIGUSR1, lambda *_: wanted.append(10))
    connection = connect(address)
    print("asking", flush=True)
    while not ended:
        connection.sendall(API_VERSIONS)
        read_answer(connection)
        time.sleep(0.005)
        if wanted:
            wanted[0] -= 1
            if wanted[0] == 0:
                wanted.clear()
                print("ten more", flush=True)


def peer_ping(host, count, length):
    """ICMP echoes, each body compared."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as wire:
        wire.settimeout(60)
        for number in range(count):
            body = random.Random(number).randbytes(length)
            head = struct.pack(">BBHHH", 8, 0, 0, os.getpid() & 0xffff, number)
            head = head[:2] + struct.pack(">H", flood.checksum(head + body)) + head[4:]
            wire.sendto(head + body, (host, 0))
            while True:
                answer = wire.recv(65535)[20:]
                if answer[0] == 0 and answer[4:8] == head[4:8]:
                    break
            equal(answer[8:], body, "body of an echo")
    print("done", flush=True)


def peer_asker(address):
    def ask(connection):
        connection.sendall(API_VERSIONS)
        read_answer(connection)
    flood.peer_asker(lambda: connect(address), ask)


PEERS = {"connections": lambda a: peer_connections((a[0], int(a[1])), int(a[2])),
         "reader": lambda a: peer_reader((a[0], int(a[1])), a[2], int(a[3])),
         "asker": lambda a: peer_asker((a[0], int(a[1]))),
         "steady": lambda a: peer_steady((a[0], int(a[1]))),
         "ping": lambda a: peer_ping(a[0], int(a[1]), int(a[2])),
         "flood": lambda a: flood.peer_flood(*a[:4], int(a[4]), a[5])}


# ---- The network: a tap, or the other end of a veth in a namespace -------------------------------


class Side:
    """Where Linux's TCP is."""

    def __init__(self, broker, path, standstill):
        self.broker = broker
        self.standstill = standstill
        self.filled = False
        self.mtu = getattr(broker, "mtu", 1500)
        self.longest = {}  # Packet of TCP, of those captured last, by who sent it.
        self.markable = 0  # Of them, those of the node that congestion may mark.
        self.repeated = REPEATED_PACKET_SOCKET if path == "af-packet" else REPEATED
        self.prefix = list(getattr(broker, "client_prefix", ()))
        self.interface = broker.ends[1] if self.prefix else broker.interface
        self.host, port = broker.bootstrap.split(":")
        self.port = int(port)
        self.own = self.host.rsplit(".", 1)[0] + ".1"

    def start(self, *words):
        command = [*self.prefix, sys.executable, __file__, "--peer", *map(str, words)]
        # pylint: disable-next=consider-using-with
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def run(self, *words, seconds=90):
        with self.start(*words) as peer:
            output, _ = peer.communicate(timeout=seconds)
        equal(peer.returncode, 0, f"status of {words[0]}")
        return output.split()

    def call(self, *command, data=None, seconds=90):
        done = subprocess.run([*self.prefix, *command], input=data, timeout=seconds,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{command}: {done.stdout[-300:]} {done.stderr[-300:]}")
        return done.stdout

    @contextlib.contextmanager
    def captured(self, allowed, only=""):
        """What passes meanwhile; then the expert's word on it, against what is allowed. only: in
        the words of pcap-filter(7)."""
        with tempfile.TemporaryDirectory(prefix="millrace-capture-") as folder:
            file = f"{folder}/wire.pcapng"
            # pylint: disable-next=consider-using-with
            capture = subprocess.Popen(
                [*self.prefix, "dumpcap", "-q", "-i", self.interface, "-w", file, "-B", "64",
                 "-s", str(CAPTURED_BYTES), "-f", only],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for line in capture.stderr:
                if line.startswith("File:"):
                    break
            yield
            time.sleep(0.3)
            capture.send_signal(signal.SIGINT)
            capture.communicate(timeout=60)
            self.longest, self.markable = judge(file, allowed, self.host)


def show(file, flag):
    """A few of those frames, in words."""
    named = {"bad_checksum": "tcp.checksum.status == 0 or ip.checksum.status == 0"}
    done = subprocess.run(
        ["tshark", "-n", "-r", file, "-o",
         "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y",
         named.get(flag, f"tcp.analysis.{flag}")],
        capture_output=True, text=True, timeout=120, check=False)
    for line in done.stdout.splitlines()[:8]:
        print(f"# {flag}: {line.strip()[:180]}", flush=True)


def judge(file, allowed, host):
    """Checksums are looked at in what the node at host sent: Linux leaves its own to the device.
    Returns the length of the longest packet, by its sender, and how many of the node's congestion
    may mark."""
    fields = [word for flag in FLAGS for word in ("-e", f"tcp.analysis.{flag}")]
    fields += ["-e", "tcp.checksum.status", "-e", "ip.checksum.status", "-e", "ip.src", "-e",
               "ip.len", "-e", "ip.dsfield.ecn"]
    done = subprocess.run(
        ["tshark", "-n", "-r", file, "-o", "tcp.check_checksum:TRUE", "-o",
         "ip.check_checksum:TRUE", "-Y", "tcp", "-T", "fields", "-E", "separator=,", "-E",
         "occurrence=f", *fields],
        capture_output=True, text=True, timeout=120, check=True)
    rows = [line.split(",") for line in done.stdout.splitlines()]
    counts = {flag: sum(row[i] != "" for row in rows) for i, flag in enumerate(FLAGS)}
    at = len(FLAGS)
    counts["bad_checksum"] = sum("0" in (row[at], row[at + 1]) and row[at + 2] == host
                                 for row in rows)
    said = {flag: count for flag, count in counts.items() if count}
    print(f"# {len(rows)} segments captured: {said or 'nothing to be said of them'}", flush=True)
    wrong = {flag: count for flag, count in said.items() if count > allowed.get(flag, 0)}
    for flag in wrong:
        show(file, flag)
    equal(wrong, {}, "what tshark's expert says and is not allowed")
    if not rows:
        raise AssertionError("nothing was captured")
    longest = {}
    for row in rows:
        longest[row[at + 2]] = max(int(row[at + 3]), longest.get(row[at + 2], 0))
    return longest, sum(row[at + 2] == host and int(row[at + 4], 0) == 2 for row in rows)


# ---- Checks --------------------------------------------------------------------------------------


def ping_and_arp(side):
    side.run("ping", side.host, 3, 56)
    side.call("ip", "neigh", "flush", "dev", side.interface)
    side.run("ping", side.host, 3, side.mtu - 28)
    if b"lladdr" not in side.call("ip", "neigh", "show", side.host):
        raise AssertionError("no answer to ARP")


def lines(seed, total):
    seeded = random.Random(seed)
    return b"".join(seeded.randbytes(LINE_BYTES // 2).hex().encode()[:-1] + b"\n"
                    for _ in range(total // LINE_BYTES))


def fill(side):
    """The topic, if nobody has; what is in it."""
    data = lines(3, BULK_BYTES)
    if not side.filled:
        side.call("kcat", "-b", side.broker.bootstrap, "-P", "-t", "bulk", "-p", "0", "-X",
                  "topic.metadata.propagation.max.ms=30000", data=data)
    side.filled = True
    return data


def bulk_both_ways(side):
    with side.captured({**side.repeated, "window_full": 100_000}):
        data = fill(side)
        got = side.call("kcat", "-b", side.broker.bootstrap, "-C", "-t", "bulk", "-p", "0", "-o",
                        "beginning", "-e", "-q")
    equal(hashlib.sha256(got).hexdigest(), hashlib.sha256(data).hexdigest(), "bytes")


def longest_packets(side):
    """Both sides fill the link's packets to its MTU, and no further."""
    equal(side.longest, {side.host: side.mtu, side.own: side.mtu}, "longest packets of the bulk")


def bulk_with_ecn(side):
    """Linux asks for marks of congestion where packets would be lost (RFC 3168). What we send back
    may be marked."""
    side.call("sh", "-c", "echo 1 >/proc/sys/net/ipv4/tcp_ecn")
    try:
        bulk_both_ways(side)
    finally:
        side.call("sh", "-c", "echo 2 >/proc/sys/net/ipv4/tcp_ecn")
    equal(side.markable > 0, True, f"packets that may be marked: {side.markable}")


def metric(side, name):
    """Of all cores; what it says is up to a second old."""
    with urllib.request.urlopen(f"http://{side.broker.http}/metrics", timeout=30) as answer:
        text = answer.read().decode().splitlines()
    return sum(float(line.split()[1]) for line in text if line.startswith(f"millrace_{name}{{"))


def until_connections(side, want):
    end = time.monotonic() + 60
    while (got := metric(side, "connections_now")) != want and time.monotonic() < end:
        time.sleep(0.2)
    equal(got, want, "connections")


def many_connections(side):
    before = metric(side, "connections_now")
    began = time.monotonic()
    with side.captured({**side.repeated, "reused_ports": CONNECTIONS}):
        equal(side.run("connections", side.host, side.port, CONNECTIONS), ["done"], "peer")
    print(f"# {CONNECTIONS} connections in {time.monotonic() - began:.1f} s", flush=True)
    until_connections(side, before)


def reader_that_stands_still(side):
    """Its window closes for seconds; then everything comes, and nothing else."""
    fill(side)
    with side.captured({**side.repeated, "zero_window": 1000, "window_full": 1000}):
        with side.start("reader", side.host, side.port, "bulk", 6) as peer:
            equal(peer.stdout.readline(), "asked\n", "peer")
            peer.send_signal(signal.SIGSTOP)
            time.sleep(side.standstill)
            peer.send_signal(signal.SIGCONT)
            output, _ = peer.communicate(timeout=90)
    equal(peer.returncode, 0, "status")
    equal(output.split(), ["6"], "good answers")


def link_down_and_up(side):
    """Whoever asks waits, and goes on on the same connection: when the link of the clients' end was
    down, and when that of the node's was, where it has one of its own. Not captured: a capture ends
    with the link."""
    ends = [[*side.prefix, "ip", "link", "set", side.interface]]
    if side.prefix:
        ends.append(["ip", "link", "set", side.broker.ends[0]])
    with side.start("steady", side.host, side.port) as peer:
        equal(peer.stdout.readline(), "asking\n", "the one who asks")
        try:
            for end in ends:
                until_asked(peer)
                subprocess.run([*end, "down"], check=True, timeout=60)
                time.sleep(LINK_DOWN_SECONDS)
                subprocess.run([*end, "up"], check=True, timeout=60)
            until_asked(peer)
        finally:
            peer.terminate()
        equal(peer.wait(60), 0, "status")


def until_asked(peer):
    """Another ten questions were answered after this moment."""
    peer.send_signal(signal.SIGUSR1)
    equal(peer.stdout.readline(), "ten more\n", "the one who asks")


def reader_that_is_killed(side):
    fill(side)
    before = metric(side, "connections_now")
    with side.captured({**side.repeated, "zero_window": 1000, "window_full": 1000}):
        with side.start("reader", side.host, side.port, "bulk", 6) as peer:
            equal(peer.stdout.readline(), "asked\n", "peer")
            peer.send_signal(signal.SIGSTOP)
            time.sleep(0.3)
            peer.kill()
        until_connections(side, before)


def flooded(side, kind):
    with side.captured({**side.repeated, "reused_ports": CONNECTIONS}, only=f"host {side.own}"):
        faults = flood.flooded(side, kind, lambda name: metric(side, name))
    equal(faults, [], "faults")


CHECKS = [("ping and ARP are answered", ping_and_arp),
          ("bulk comes back byte by byte", bulk_both_ways),
          ("the bulk's packets are as long as the MTU", longest_packets),
          ("the same where Linux asks for ECN", bulk_with_ecn),
          (f"{CONNECTIONS} connections are opened and closed", many_connections),
          ("a reader that stands still gets everything in the end", reader_that_stands_still),
          ("a reader that is killed is forgotten", reader_that_is_killed),
          ("a connection outlives a link that was down", link_down_and_up),
          (f"clients are served beside {flood.PER_SECOND} SYNs a second of invented neighbours",
           lambda side: flooded(side, "neighbours")),
          ("and of addresses beyond the gateway", lambda side: flooded(side, "strangers"))]


def over(path, build, mtu):
    broker = brokers.OverTap(build) if path == "tap" else brokers.OverVeth(build, driver=path,
                                                                           mtu=mtu)
    broker.arguments += [
        "--set", f"network.gateway={broker.bootstrap.rsplit('.', 1)[0]}.1",
        "--set", f"memory.cap={flood.MEMORY_CAP_MIB}MiB"]
    return broker


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--over", default="tap", choices=["tap", "af-packet", "af-xdp"])
    parser.add_argument("--mtu", type=int, default=1500, help="of a veth")
    parser.add_argument("--only", default="")
    parser.add_argument("--first", type=int, default=len(CHECKS), help="so many checks")
    parser.add_argument("--standstill", type=float, default=STANDSTILL_SECONDS,
                        help="seconds for which a reader keeps its window closed")
    options = parser.parse_args()
    tap = Tap()
    for tool in ("tshark", "dumpcap", "kcat", "ip"):
        if shutil.which(tool) is None:
            skip_all(f"{tool} is missing")
    try:
        broker = over(options.over, options.build, options.mtu)
    except pins.Unavailable as reason:
        skip_all(str(reason))
    with broker:
        side = Side(broker, options.over, options.standstill)
        for name, check in CHECKS[:options.first]:
            if check is bulk_with_ecn and not side.prefix:
                continue  # A tap's end shares the setting with this machine.
            if options.only in name:
                tap.check(f"{name} ({options.over})", check, side)
    return tap.done()


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "--peer":
        os.environ["PYTHONUNBUFFERED"] = "1"
        PEERS[sys.argv[2]](sys.argv[3:])
        sys.exit(0)
    sys.exit(main())
