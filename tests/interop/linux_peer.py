#!/usr/bin/env python3
"""Our own TCP against Linux's, over a tap and over a veth with a packet socket and with AF_XDP:
bulk both ways, thousands of connections, peers that stand still or are killed, a flood of SYNs.
What goes over the wire is captured, and tshark's expert says what was wrong with it."""

import argparse
import concurrent.futures
import contextlib
import hashlib
import os
import pathlib
import random
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
import pins  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal, skip_all  # noqa: E402  pylint: disable=wrong-import-position

LINE_BYTES = 1000
BULK_BYTES = 20_000_000
CONNECTIONS = 10_000
TOGETHER = 200
STANDSTILL_SECONDS = 6
FLOOD_SECONDS = 4
FLOOD_PER_SECOND = 20_000
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


def peer_asker(address, seconds):
    """Asks one small question after the other; a connection of its own for every tenth."""
    end = time.monotonic() + seconds
    steady = connect(address)
    count = 0
    while time.monotonic() < end:
        connection = connect(address) if count % 10 == 0 else steady
        connection.sendall(API_VERSIONS)
        read_answer(connection)
        if connection is not steady:
            connection.close()
        count += 1
    print(count, flush=True)


def peer_flood(interface, ours, theirs, port, seconds):
    """SYNs from everybody on the network, at a fixed rate."""
    mac = subprocess.run(["ip", "neigh", "show", theirs], capture_output=True, text=True,
                         check=True).stdout.split("lladdr ")[1].split()[0]
    target = bytes.fromhex(mac.replace(":", ""))
    source = bytes.fromhex(pathlib.Path(f"/sys/class/net/{interface}/address").read_text(
        encoding="ascii").strip().replace(":", ""))
    network = socket.inet_aton(ours)[:3]
    draw = random.Random(5)
    frames = [syn_frame(target, source, network + bytes([draw.randrange(3, 250)]),
                        socket.inet_aton(theirs), draw.randrange(1024, 65536), port,
                        draw.getrandbits(32)) for _ in range(20_000)]
    sent = 0
    began = time.monotonic()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((interface, 0))
        while (passed := time.monotonic() - began) < seconds:
            while sent < passed * FLOOD_PER_SECOND:
                with contextlib.suppress(BlockingIOError, OSError):
                    wire.send(frames[sent % len(frames)])
                sent += 1
            time.sleep(0.001)
    print(sent, flush=True)


def peer_ping(host, count, length):
    """ICMP echoes, each body compared."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as wire:
        wire.settimeout(3)
        for number in range(count):
            body = random.Random(number).randbytes(length)
            head = struct.pack(">BBHHH", 8, 0, 0, os.getpid() & 0xffff, number)
            head = head[:2] + struct.pack(">H", checksum(head + body)) + head[4:]
            wire.sendto(head + body, (host, 0))
            while True:
                answer = wire.recv(65535)[20:]
                if answer[0] == 0 and answer[4:8] == head[4:8]:
                    break
            equal(answer[8:], body, "body of an echo")
    print("done", flush=True)


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def syn_frame(target, source, from_ip, to_ip, from_port, to_port, sequence):
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 40, 0, 0x4000, 64, 6, 0) + from_ip + to_ip
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    tcp = struct.pack(">HHIIBBHHH", from_port, to_port, sequence, 0, 0x50, 2, 65535, 0, 0)
    pseudo = from_ip + to_ip + struct.pack(">HH", 6, len(tcp))
    tcp = tcp[:16] + struct.pack(">H", checksum(pseudo + tcp)) + tcp[18:]
    return target + source + b"\x08\x00" + ip + tcp


PEERS = {"connections": lambda a: peer_connections((a[0], int(a[1])), int(a[2])),
         "reader": lambda a: peer_reader((a[0], int(a[1])), a[2], int(a[3])),
         "asker": lambda a: peer_asker((a[0], int(a[1])), float(a[2])),
         "ping": lambda a: peer_ping(a[0], int(a[1]), int(a[2])),
         "flood": lambda a: peer_flood(a[0], a[1], a[2], int(a[3]), float(a[4]))}


# ---- The network: a tap, or the other end of a veth in a namespace -------------------------------


class Side:
    """Where Linux's TCP is."""

    def __init__(self, broker, path):
        self.broker = broker
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
    def captured(self, allowed, whole=False):
        """What passes meanwhile; then the expert's word on it, against what is allowed."""
        with tempfile.TemporaryDirectory(prefix="millrace-capture-") as folder:
            file = f"{folder}/wire.pcapng"
            # pylint: disable-next=consider-using-with
            capture = subprocess.Popen(
                [*self.prefix, "dumpcap", "-q", "-i", self.interface, "-w", file, "-B", "64",
                 *([] if whole else ["-s", str(CAPTURED_BYTES)])],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for line in capture.stderr:
                if line.startswith("File:"):
                    break
            yield
            time.sleep(0.3)
            capture.send_signal(signal.SIGINT)
            capture.communicate(timeout=20)
            judge(file, allowed, self.host)


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
    """Checksums are looked at in what the node at host sent: Linux leaves its own to the device."""
    fields = [word for flag in FLAGS for word in ("-e", f"tcp.analysis.{flag}")]
    fields += ["-e", "tcp.checksum.status", "-e", "ip.checksum.status", "-e", "ip.src"]
    done = subprocess.run(
        ["tshark", "-n", "-r", file, "-o", "tcp.check_checksum:TRUE", "-o",
         "ip.check_checksum:TRUE", "-Y", "tcp", "-T", "fields", "-E", "separator=,", *fields],
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


# ---- Checks --------------------------------------------------------------------------------------


def ping_and_arp(side):
    side.run("ping", side.host, 3, 56)
    side.call("ip", "neigh", "flush", "dev", side.interface)
    side.run("ping", side.host, 3, 1400)
    if b"lladdr" not in side.call("ip", "neigh", "show", side.host):
        raise AssertionError("no answer to ARP")


def lines(seed, total):
    seeded = random.Random(seed)
    return b"".join(seeded.randbytes(LINE_BYTES // 2).hex().encode()[:-1] + b"\n"
                    for _ in range(total // LINE_BYTES))


def bulk_both_ways(side):
    data = lines(3, BULK_BYTES)
    with side.captured({**side.repeated, "window_full": 100_000}):
        side.call("kcat", "-b", side.broker.bootstrap, "-P", "-t", "bulk", "-p", "0", "-X",
                  "topic.metadata.propagation.max.ms=30000", data=data)
        got = side.call("kcat", "-b", side.broker.bootstrap, "-C", "-t", "bulk", "-p", "0", "-o",
                        "beginning", "-e", "-q")
    equal(hashlib.sha256(got).hexdigest(), hashlib.sha256(data).hexdigest(), "bytes")


def connections_now(side):
    with urllib.request.urlopen(f"http://{side.broker.http}/metrics", timeout=10) as answer:
        text = answer.read().decode().splitlines()
    return sum(float(line.split()[1]) for line in text
               if line.startswith("millrace_connections_now{"))


def until_connections(side, want):
    end = time.monotonic() + 20
    while (got := connections_now(side)) != want and time.monotonic() < end:
        time.sleep(0.2)
    equal(got, want, "connections")


def many_connections(side):
    before = connections_now(side)
    began = time.monotonic()
    with side.captured({**side.repeated, "reused_ports": CONNECTIONS}):
        equal(side.run("connections", side.host, side.port, CONNECTIONS), ["done"], "peer")
    print(f"# {CONNECTIONS} connections in {time.monotonic() - began:.1f} s", flush=True)
    until_connections(side, before)


def reader_that_stands_still(side):
    """Its window closes for seconds; then everything comes, and nothing else."""
    with side.captured({**side.repeated, "zero_window": 1000, "window_full": 1000}):
        with side.start("reader", side.host, side.port, "bulk", 6) as peer:
            equal(peer.stdout.readline(), "asked\n", "peer")
            peer.send_signal(signal.SIGSTOP)
            time.sleep(STANDSTILL_SECONDS)
            peer.send_signal(signal.SIGCONT)
            output, _ = peer.communicate(timeout=60)
    equal(peer.returncode, 0, "status")
    equal(output.split(), ["6"], "good answers")


def reader_that_is_killed(side):
    before = connections_now(side)
    with side.start("reader", side.host, side.port, "bulk", 6) as peer:
        equal(peer.stdout.readline(), "asked\n", "peer")
        peer.send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        peer.kill()
    until_connections(side, before)


def flooded(side):
    """Two loads alike, with and without 20,000 SYNs a second; what it takes is printed."""
    side.run("ping", side.host, 1, 56)  # So that its hardware address is known.
    counts = []
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        for flood in (False, True):
            attack = pool.submit(side.run, "flood", side.interface, side.own, side.host,
                                 side.port, FLOOD_SECONDS) if flood else None
            askers = [pool.submit(side.run, "asker", side.host, side.port, FLOOD_SECONDS)
                      for _ in range(3)]
            counts.append(sum(int(asker.result()[0]) for asker in askers))
            sent = int(attack.result()[0]) if flood else 0
    print(f"# requests in {FLOOD_SECONDS} s: {counts[0]} without, {counts[1]} with {sent} SYNs",
          flush=True)
    equal(min(counts) > 0, True, "requests were answered")
    equal(sent >= FLOOD_PER_SECOND * (FLOOD_SECONDS - 1), True, "the flood was one")


CHECKS = [("ping and ARP are answered", ping_and_arp),
          ("bulk comes back byte by byte", bulk_both_ways),
          (f"{CONNECTIONS} connections are opened and closed", many_connections),
          ("a reader that stands still gets everything in the end", reader_that_stands_still),
          ("a reader that is killed is forgotten", reader_that_is_killed),
          (f"clients are served beside {FLOOD_PER_SECOND} SYNs a second", flooded)]


def over(path, build):
    if path == "tap":
        return brokers.OverTap(build)
    return brokers.OverVeth(build, driver=path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--over", default="tap", choices=["tap", "af-packet", "af-xdp"])
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    tap = Tap()
    for tool in ("tshark", "dumpcap", "kcat", "ip"):
        if shutil.which(tool) is None:
            skip_all(f"{tool} is missing")
    try:
        broker = over(options.over, options.build)
    except pins.Unavailable as reason:
        skip_all(str(reason))
    with broker:
        side = Side(broker, options.over)
        for name, check in CHECKS:
            if options.only in name:
                tap.check(f"{name} ({options.over})", check, side)
    return tap.done()


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "--peer":
        os.environ["PYTHONUNBUFFERED"] = "1"
        PEERS[sys.argv[2]](sys.argv[3:])
        sys.exit(0)
    sys.exit(main())
