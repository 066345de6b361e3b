#!/usr/bin/env python3
"""One stream through a wire that loses frames: from our own TCP and from Linux's, to the same Linux
at the other end, and beside what the response function says. The figures are printed; what is
looked at is that every byte comes, and that it went over a link that lost some."""

import argparse
import json
import math
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[0:2]]
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import linux_peer as kafka  # noqa: E402  pylint: disable=wrong-import-position
import pins  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal, skip_all  # noqa: E402  pylint: disable=wrong-import-position

DELAY_US = 2500  # One way.
MBITS = 1000
MSS = 1448
AT_ONCE = 4  # Fetches that are asked for ahead.
FETCH_BYTES = 1_000_000
RECORD_BYTES = 100_000
LOSSES = {100: 16_000_000, 1000: 8_000_000}  # Per 100,000 frames; bytes of the stream.


# ---- Peers: this file again, inside a namespace --------------------------------------------------


def told(begin, count):
    print(json.dumps([count, time.monotonic() - begin]), flush=True)


def peer_fetch(address, count):
    """Reads so many bytes from the topic, always with fetches ahead."""
    connection = kafka.connect(address)
    connection.settimeout(120)
    begin = time.monotonic()
    got = 0
    for _ in range(AT_ONCE):
        connection.sendall(kafka.fetch("bulk", 0, FETCH_BYTES))
    while got < count:
        answer = kafka.read_answer(connection)
        if b"x" * 1000 not in answer[-2000:] and len(answer) > RECORD_BYTES:
            raise AssertionError("an answer with other bytes")
        got += len(answer)
        connection.sendall(kafka.fetch("bulk", 0, FETCH_BYTES))
    told(begin, got)


def peer_read(address, count):
    """Reads so many bytes from Linux."""
    connection = kafka.connect(address)
    connection.settimeout(120)
    begin = time.monotonic()
    told(begin, len(kafka.read_exactly(connection, count)))


def peer_serve(address, count):
    """Sends so many bytes to whoever comes."""
    with socket.create_server(address) as listener:
        print("listening", flush=True)
        connection = listener.accept()[0]
        for name in (b"cubic", b"reno"):
            try:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name)
                break
            except OSError:
                continue
        with connection:
            for _ in range(count // 100_000):
                connection.sendall(b"x" * 100_000)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)


PEERS = {"fetch": peer_fetch, "read": peer_read, "serve": peer_serve}


# ---- The wire ------------------------------------------------------------------------------------


def ip(*words):
    subprocess.run(["ip", *words], check=True, timeout=20)


class Wire:
    """Two taps and what is between them. The near one is in a namespace, with Linux's reader; so is
    the far one, unless the node takes it."""

    def __init__(self, build, loss, seed, node):
        number = os.getpid() & 0x3fff
        self.near, self.far = f"mrbn{number}", f"mrbf{number}"
        self.spaces = [f"mrbs{number}"] + ([] if node else [f"mrbt{number}"])
        self.network = f"10.{96 + (number >> 8) % 32}.{number & 255}"
        self.command = [str(pathlib.Path(build) / "tests" / "interop" / "bad_wire"), self.near,
                        self.far, str(DELAY_US), str(MBITS), str(loss), str(seed)]
        self.process = None

    def __enter__(self):
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        equal(self.process.stdout.readline(), "ready\n", "the wire")
        for end, space in enumerate(self.spaces):
            tap = (self.near, self.far)[end]
            ip("netns", "add", space)
            ip("link", "set", tap, "netns", space)
            ip("-n", space, "addr", "add", f"{self.network}.{end + 1}/24", "dev", tap)
            ip("-n", space, "link", "set", tap, "up")
        if len(self.spaces) == 1:
            ip("link", "set", self.far, "up")
        return self

    def counts(self):
        """Ends the wire: frames carried, lost, dropped for want of room."""
        output, _ = self.process.communicate(timeout=20)
        return [int(word) for word in output.split()]

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.communicate(timeout=20)
        for space in self.spaces:
            subprocess.run(["ip", "netns", "del", space], check=False, timeout=20)

    def start(self, space, what, count):
        # pylint: disable-next=consider-using-with
        return subprocess.Popen(
            ["ip", "netns", "exec", self.spaces[space], sys.executable, __file__, "--peer", what,
             f"{self.network}.2", str(count)], stdout=subprocess.PIPE, text=True)

    def run(self, what, count):
        with self.start(0, what, count) as peer:
            output, _ = peer.communicate(timeout=150)
        equal(peer.returncode, 0, what)
        got, seconds = json.loads(output)
        equal(got >= count, True, "bytes")
        return got * 8 / seconds / 1e6


class OverWire(brokers.Millrace):
    """A node on the far end."""

    def __init__(self, build, wire):
        super().__init__(build, arguments=[
            "--profile", "af-packet", "--insecure", "--set",
            f"network.device=net_af_packet0,iface={wire.far}"])
        self.bootstrap = f"{wire.network}.2:9092"


def of_ours(build, loss, seed, count):
    with Wire(build, loss, seed, True) as wire:
        with OverWire(build, wire):
            subprocess.run(
                ["ip", "netns", "exec", wire.spaces[0], "kcat", "-b", f"{wire.network}.2:9092",
                 "-P", "-t", "bulk", "-p", "0", "-X", "topic.metadata.propagation.max.ms=30000"],
                input=b"\n".join([b"x" * RECORD_BYTES] * 20), check=True, timeout=120)
            got = wire.run("fetch", count)
        return got, wire.counts()


def of_linux(build, loss, seed, count):
    with Wire(build, loss, seed, False) as wire:
        with wire.start(1, "serve", count) as server:
            equal(server.stdout.readline(), "listening\n", "the sender")
            got = wire.run("read", count)
            equal(server.wait(60), 0, "the sender")
        return got, wire.counts()


def compared(build, loss, count, seed):
    round_trip = 2e-6 * DELAY_US
    want = min(MBITS, math.sqrt(1.5 / (loss / 1e5)) * MSS * 8 / round_trip / 1e6)
    ours, our_counts = of_ours(build, loss, seed, count)
    theirs, their_counts = of_linux(build, loss, seed, count)
    print(f"# {loss / 1000} % lost, {round_trip * 1e3:.0f} ms: ours {ours:.0f} Mb/s, Linux "
          f"{theirs:.0f} ({ours / theirs:.2f}), response function {want:.0f} ({ours / want:.2f}); "
          f"frames carried, lost, dropped: {our_counts} and {their_counts}; seed {seed}",
          flush=True)
    equal(our_counts[1] > 0 and their_counts[1] > 0, True, "frames were lost")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--times", type=int, default=1)
    options = parser.parse_args()
    tap = Tap()
    if os.geteuid() != 0 or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        skip_all("making taps needs root and /dev/net/tun")
    for tool in ("kcat", "ip"):
        if shutil.which(tool) is None:
            skip_all(f"{tool} is missing")
    try:
        for seed in range(1, options.times + 1):
            for loss, count in LOSSES.items():
                tap.check(f"a stream comes whole over a link that loses {loss / 1000} %", compared,
                          options.build, loss, count, seed)
    except pins.Unavailable as reason:
        skip_all(str(reason))
    return tap.done()


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] == "--peer":
        PEERS[sys.argv[2]]((sys.argv[3], 9092), int(sys.argv[4]))
        sys.exit(0)
    sys.exit(main())
