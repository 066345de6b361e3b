#!/usr/bin/env python3
"""A node over a tap with IPv6 beside IPv4, and with nothing but IPv6: Linux's neighbour discovery
and ping, kcat, `millrace net` and `millrace capture`, several cores, and the load generator."""

import argparse
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import time

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[0:2]]
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import bypass  # noqa: E402  pylint: disable=wrong-import-position
import memif  # noqa: E402  pylint: disable=wrong-import-position
import pins  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal, skip_all  # noqa: E402  pylint: disable=wrong-import-position

RECORDS = 2000
CORES = 3


def address_of(broker):
    return broker.bootstrap6.rsplit(":", 1)[0].strip("[]")


def reached(broker):
    """The address is looked for before it is used: until then nobody answers."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection((address_of(broker), 9092), timeout=2).close()
        except OSError:
            if time.monotonic() > deadline:
                raise


def kcat(broker, *arguments, data=None):
    done = subprocess.run(["kcat", "-b", broker.bootstrap6, *arguments], input=data, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    equal(done.returncode, 0, f"kcat {arguments}: {done.stderr.decode()[-300:]}")
    return done.stdout


def pinged(broker):
    """Echo of a few lengths; the kernel sums a raw ICMPv6 socket, and checks what comes back."""
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
        raw.settimeout(10)
        raw.connect((address_of(broker), 0))
        for number, length in enumerate((0, 1, 56, 1400)):
            body = struct.pack(">HH", os.getpid() & 0xffff, number) + bytes(range(256))[:1] * length
            raw.send(b"\x80\0\0\0" + body)
            while True:
                answer = raw.recv(4096)
                if answer[0] == 129 and answer[4:8] == body[:4]:
                    break
            equal(answer[4:], body, f"echo of {length} bytes")


def kernel_knows_the_neighbour(broker):
    said = subprocess.run(["ip", "-6", "neigh", "show", "to", address_of(broker)], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    good = any(word in said for word in ("REACHABLE", "DELAY", "PROBE", "STALE"))
    equal(good and "lladdr" in said, True, f"neighbour: {said}")


def records_come_back(broker):
    lines = [b"%d" % number for number in range(RECORDS)]
    kcat(broker, "-P", "-t", "six", "-p", "0", "-X", "topic.metadata.propagation.max.ms=30000",
         data=b"\n".join(lines) + b"\n")
    got = kcat(broker, "-C", "-t", "six", "-p", "0", "-o", "beginning", "-e", "-q")
    equal(got.splitlines(), lines, "records")


def metadata_names_the_address(broker):
    told = json.loads(kcat(broker, "-L", "-J"))["brokers"]
    host = told[0]["name"].rsplit(":", 1)[0].strip("[]")
    equal(socket.inet_pton(socket.AF_INET6, host),
          socket.inet_pton(socket.AF_INET6, address_of(broker)), "broker's address")


def net_tells_the_connection(broker):
    with socket.create_connection((address_of(broker), 9092), timeout=60) as client:
        done = subprocess.run([broker.tool, "net", "-o", "json", "--data", broker.data[0]],
                              timeout=60, check=True, stdout=subprocess.PIPE)
        told = json.loads(done.stdout)
        equal(told["cores"][0]["address6"], "ready", "state of the address")
        ports = [row["peer"].rsplit(":", 1)[1] for row in told["connections"]
                 if row["peer"].startswith("[fd00:77:")]
        equal(str(client.getsockname()[1]) in ports, True, f"our port among {ports}")


CHECKS = [("a client reaches it once the address is its own", reached),
          ("ping is answered", pinged),
          ("Linux has it as a neighbour", kernel_knows_the_neighbour),
          ("kcat produces and consumes", records_come_back),
          ("metadata names the address that was connected to", metadata_names_the_address),
          ("`millrace net` tells the connection", net_tells_the_connection)]


class SixAlone(brokers.OverTap):
    """Without IPv4."""

    def __init__(self, build):
        super().__init__(build)
        self.bootstrap = self.bootstrap6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    options = parser.parse_args()
    if shutil.which("kcat") is None or shutil.which("ip") is None:
        skip_all("no kcat, or no iproute2")
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
        skip_all("this kernel has no IPv6")
    tap = Tap()
    try:
        for kind, what in ((brokers.OverTap, "beside IPv4"), (SixAlone, "alone")):
            with kind(options.build) as broker:
                for name, check in CHECKS:
                    tap.check(f"{what}: {name}", check, broker)
        with brokers.OverTap(options.build, arguments=["--set", f"cores.count={CORES}"]) as broker:
            broker.bootstrap = broker.bootstrap6
            reached(broker)
            tap.check(f"{CORES} cores share the address", bypass.cores_share_a_port, broker, CORES,
                      CORES)
        with brokers.OverMemif(options.build,
                               arguments=["--set", "network.address6=fd00:78::2"]) as broker:
            tap.check("the load generator has one of its own", memif.says_what_it_verified, broker,
                      "small", "--address", "fd00:78::1", "--bootstrap", "[fd00:78::2]:9092")
    except pins.Unavailable as reason:
        skip_all(str(reason))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
