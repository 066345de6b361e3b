"""Free ports for programs that tests start."""

import socket

_given = set()


def free_port():
    """One that nobody listens at, and that was not given away before: the kernel chooses by chance,
    and may choose the same again until somebody listens there."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port
