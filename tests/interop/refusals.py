#!/usr/bin/env python3
"""Interfaces that a node must not take, in a network namespace of this test: that of the default
route, and that of an SSH session; and what doctor and tune say of them."""

import argparse
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[0:2]]
from tap import Tap, equal, skip_all  # noqa: E402  pylint: disable=wrong-import-position

# Listens where sshd does, says so, and holds what connects.
FAKE_SSHD = """
import socket, sys
with socket.create_server((sys.argv[1], 22)) as listener:
    print("listening", flush=True)
    held = listener.accept()[0]
    print("accepted", flush=True)
    sys.stdin.read()
"""


class Namespace:
    """One end of a veth inside, the other here; the address outside is a gateway."""

    def __init__(self):
        number = os.getpid() & 0x3fff
        self.name = f"mrref{number}"
        self.inside, self.outside = f"mrri{number}", f"mrro{number}"
        self.network = f"10.{192 + (number >> 8)}.{number & 255}"
        self.address = f"{self.network}.2"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-refusals-"))

    def __enter__(self):
        within = ["ip", "-n", self.name]
        for command in (
                ["ip", "netns", "add", self.name],
                ["ip", "link", "add", self.outside, "type", "veth", "peer", "name", self.inside],
                ["ip", "link", "set", self.inside, "netns", self.name],
                ["ip", "addr", "add", f"{self.network}.1/24", "dev", self.outside],
                ["ip", "link", "set", self.outside, "up"],
                [*within, "addr", "add", f"{self.address}/24", "dev", self.inside],
                [*within, "link", "set", "lo", "up"],
                [*within, "link", "set", self.inside, "up"]):
            subprocess.run(command, check=True, timeout=20)
        return self

    def __exit__(self, kind, value, trace):
        subprocess.run(["ip", "netns", "del", self.name], check=False, timeout=20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *words, **more):
        return subprocess.run(["ip", "netns", "exec", self.name, *words], check=False, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)

    def millrace(self, build, *words):
        return self.run(str(pathlib.Path(build) / "tools" / "millrace"), *words, "--profile",
                        "af-packet", "--set", f"network.device=net_af_packet0,iface={self.inside}",
                        "--listen", f"{self.network}.9:9092", "--http", "127.0.0.1:9644",
                        "--insecure", "--data", str(self.folder / "data"))


def refused_with(space, build, why):
    up = space.millrace(build, "up", "--detach")
    if up.returncode == 0:
        space.run(str(pathlib.Path(build) / "tools" / "millrace"), "down", "--data",
                  str(space.folder / "data"))
    equal(up.returncode == 0, False, f"it took the interface: {up.stdout}")
    equal(f"would take {space.inside}, which {why}" in up.stdout, True, up.stdout)
    doctor = space.millrace(build, "doctor")
    equal((doctor.returncode, f"{space.inside} {why}" in doctor.stdout), (1, True), doctor.stdout)
    tune = space.millrace(build, "tune", "--print")
    equal((tune.returncode, tune.stdout.startswith("#!/bin/sh\n")), (0, True), tune.stdout)
    equal(f"{space.inside} {why}" in tune.stdout, True, tune.stdout)


def default_route(space, build):
    subprocess.run(["ip", "-n", space.name, "route", "add", "default", "via", f"{space.network}.1"],
                   check=True, timeout=20)
    try:
        refused_with(space, build, "carries the default route")
    finally:
        subprocess.run(["ip", "-n", space.name, "route", "del", "default"], check=True, timeout=20)


def ssh_session(space, build):
    with subprocess.Popen(
            ["ip", "netns", "exec", space.name, sys.executable, "-c", FAKE_SSHD, space.address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sshd:
        equal(sshd.stdout.readline(), "listening\n", "the stand-in for sshd")
        with socket.create_connection((space.address, 22), timeout=20):
            equal(sshd.stdout.readline(), "accepted\n", "the stand-in for sshd")
            refused_with(space, build, "carries an SSH session")
        sshd.stdin.close()
        sshd.wait(20)


def without_either_it_is_taken(space, build):
    up = space.millrace(build, "up", "--detach")
    equal((up.returncode, "is ready" in up.stdout), (0, True), up.stdout)
    down = space.run(str(pathlib.Path(build) / "tools" / "millrace"), "down", "--data",
                     str(space.folder / "data"))
    equal(down.returncode, 0, down.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    if os.geteuid() != 0 or shutil.which("ip") is None:
        skip_all("a network namespace needs root and iproute2")
    tap = Tap()
    with Namespace() as space:
        tap.check("the interface of the default route is refused", default_route, space, build)
        tap.check("the interface of an SSH session is refused", ssh_session, space, build)
        tap.check("without either it is taken", without_either_it_is_taken, space, build)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
