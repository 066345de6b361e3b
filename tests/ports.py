"""Free ports for programs that tests start."""

import pathlib
import random
import socket

RANGE = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
FIRST = 10000

_kept = []


def free_port():
    """One that nobody listens at. As long as this process lives no other test is given it, and as
    it lies below those that the kernel gives to clients, none of them has it when its program
    starts again. FIRST may lie above all of them: then the kernel's own choice has to do."""
    end = int(RANGE.read_text().split()[0])
    while True:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", random.randrange(FIRST, end) if FIRST < end else 0))
            except OSError:
                continue
            port = probe.getsockname()[1]
        keeper = socket.socket(socket.AF_UNIX)
        try:
            keeper.bind(f"\0millrace-test-port-{port}")
        except OSError:
            keeper.close()
            continue
        _kept.append(keeper)
        return port
