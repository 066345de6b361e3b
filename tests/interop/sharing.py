#!/usr/bin/env python3
"""A port that the node shares with the kernel (network.share): ping and a server of the kernel's go
on beside the broker, on one link. The interface is in a namespace of this test, where the kernel
takes nothing that comes by it."""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[0:2]]
from tap import Tap, equal, skip_all  # noqa: E402  pylint: disable=wrong-import-position

# Stands for sshd: echoes what it hears, in the node's namespace.
ECHO = """
import socket, sys
with socket.create_server((sys.argv[1], 22)) as listener:
    print("listening", flush=True)
    with listener.accept()[0] as peer:
        while data := peer.recv(65536):
            peer.sendall(data)
"""
# ping: three echo requests, and how many answers came to each.
PING = """
import collections, os, select, socket, struct, sys, time
def summed(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff
answers = collections.Counter()
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sender:
    sender.connect((sys.argv[1], 0))
    mark = os.getpid() & 0xffff
    for number in range(3):
        head = struct.pack("!BBHHH", 8, 0, 0, mark, number)
        rest = bytes(range(56))
        sender.send(struct.pack("!BBHHH", 8, 0, summed(head + rest), mark, number) + rest)
        end = time.monotonic() + (5 if number == 0 else 1)
        while (left := end - time.monotonic()) > 0 and select.select([sender], [], [], left)[0]:
            got = sender.recv(2048)[20:]
            if got[0] == 0 and struct.unpack("!H", got[4:6])[0] == mark:
                answers[struct.unpack("!H", got[6:8])[0]] += 1
                end = min(end, time.monotonic() + 0.5)
print(*(answers[number] for number in range(3)))
"""
# ethtool -K peer0 tx off: a veth leaves checksums to its other end, which is a packet socket here.
CHECKSUMS = """
import array, fcntl, socket, struct
for command in (0x17, 0x1f, 0x24):  # Of TX checksums, TSO, GSO.
    value = array.array("B", struct.pack("II", command, 0))
    request = struct.pack("16sP", b"peer0", value.buffer_info()[0])
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8946, request)
"""
# The other host.
ASK = """
import socket, sys
data = bytes(range(256)) * 4000
with socket.create_connection((sys.argv[1], 22), timeout=20) as peer:
    got, at = b"", 0
    while len(got) < len(data):
        at += peer.send(data[at:at + 8192]) if at < len(data) else 0
        got += peer.recv(65536)
print("same" if got == data else "differs")
"""


class Link:
    """Two namespaces with a veth between; the node's end has no address of the kernel's."""

    def __init__(self, build):
        number = os.getpid() & 0x3fff
        self.ours, self.theirs = f"mrsh{number}", f"mrsp{number}"
        self.network = f"10.{64 + (number >> 8)}.{number & 255}"
        self.broker, self.kernel = f"{self.network}.2", f"{self.network}.3"
        self.tool = str(pathlib.Path(build) / "tools" / "millrace")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-sharing-"))

    def __enter__(self):
        try:
            return self.make()
        except Exception:
            self.__exit__(None, None, None)
            raise

    def make(self):
        inside = ["ip", "netns", "exec", self.ours]
        outside = ["ip", "netns", "exec", self.theirs]
        for command in (
                ["ip", "netns", "add", self.ours], ["ip", "netns", "add", self.theirs],
                ["ip", "link", "add", "port0", "netns", self.ours, "type", "veth", "peer", "name",
                 "peer0", "netns", self.theirs],
                [*inside, "ip", "link", "set", "lo", "up"],
                [*inside, "ip", "link", "set", "port0", "up"],
                # Strict: what comes here is dropped, because the way back leads to the tap.
                [*inside, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/port0/rp_filter"],
                [*inside, "ip", "link", "set", "port0", "arp", "off"],
                [*outside, sys.executable, "-c", CHECKSUMS],
                [*outside, "ip", "addr", "add", f"{self.network}.1/24", "dev", "peer0"],
                [*outside, "ip", "link", "set", "peer0", "up"]):
            subprocess.run(command, check=True, timeout=20, stdout=subprocess.DEVNULL)
        up = self.run(self.ours, self.tool, "up", "--detach", "--profile", "af-packet", "--set",
                      "network.device=net_af_packet0,iface=port0", "--set", "network.share=share0",
                      "--set", f"network.host_address={self.kernel}", "--listen",
                      f"{self.broker}:9092", "--insecure", "--data", str(self.folder / "data"))
        equal(up.returncode, 0, f"status of up: {up.stdout}")
        return self

    def __exit__(self, kind, value, trace):
        self.run(self.ours, self.tool, "down", "--data", str(self.folder / "data"))
        for name in (self.ours, self.theirs):
            subprocess.run(["ip", "netns", "del", name], check=False, timeout=20)
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def run(namespace, *words, **more):
        return subprocess.run(["ip", "netns", "exec", namespace, *words], check=False, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def broker_serves(link):
    done = link.run(link.theirs, "kcat", "-P", "-b", f"{link.broker}:9092", "-t", "shared", "-X",
                    "topic.metadata.propagation.max.ms=30000", input="one\ntwo\n")
    equal(done.returncode, 0, done.stdout)
    done = link.run(link.theirs, "kcat", "-C", "-b", f"{link.broker}:9092", "-t", "shared", "-e",
                    "-q")
    equal(done.stdout, "one\ntwo\n", "records")


def both_answer_pings(link):
    for address in (link.kernel, link.broker):
        done = link.run(link.theirs, sys.executable, "-c", PING, address)
        equal(done.stdout, "1 1 1\n", f"answers of {address}")


def a_server_of_the_kernels_is_reached(link):
    with subprocess.Popen(["ip", "netns", "exec", link.ours, sys.executable, "-c", ECHO,
                           link.kernel], stdout=subprocess.PIPE, text=True) as server:
        equal(server.stdout.readline(), "listening\n", "the server")
        done = link.run(link.theirs, sys.executable, "-c", ASK, link.kernel)
        server.kill()
    equal(done.stdout, "same\n", "a megabyte there and back")


def packets_of_the_tap(link):
    words = ("cat", *(f"/sys/class/net/share0/statistics/{way}_packets" for way in ("rx", "tx")))
    return [int(word) for word in link.run(link.ours, *words).stdout.split()]


def the_kernel_reaches_out(link):
    done = link.run(link.ours, sys.executable, "-c", PING, f"{link.network}.1")
    equal(done.stdout, "1 1 1\n", "answers of the other host")
    equal(min(packets_of_the_tap(link)) > 100, True, "all of it went by the tap")


def the_tap_goes_with_the_node(link):
    equal("share0" in link.run(link.ours, "ip", "-br", "link").stdout, True, "the tap is there")
    link.run(link.ours, link.tool, "down", "--data", str(link.folder / "data"))
    equal("share0" in link.run(link.ours, "ip", "-br", "link").stdout, False, "and after down")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    options = parser.parse_args()
    if os.geteuid() != 0 or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        skip_all("namespaces and taps need root and /dev/net/tun")
    missing = [name for name in ("ip", "kcat")
               if shutil.which(name) is None]
    if missing:
        skip_all(f"{', '.join(missing)} not there")
    tap = Tap()
    with Link(os.path.abspath(options.build)) as link:
        tap.check("the broker serves its address", broker_serves, link)
        tap.check("both addresses answer pings, once", both_answer_pings, link)
        tap.check("a server of the kernel's is reached", a_server_of_the_kernels_is_reached, link)
        tap.check("the kernel reaches others", the_kernel_reaches_out, link)
        tap.check("the tap goes with the node", the_tap_goes_with_the_node, link)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
