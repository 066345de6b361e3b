"""`millrace bench` against its own null broker, behind a link that can stall. Speaks TAP.

    test_bench.py MILLRACE_BINARY
"""

import contextlib
import json
import os
import pathlib
import select
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
import tap  # noqa: E402  pylint: disable=wrong-import-position
from ports import free_port  # noqa: E402  pylint: disable=wrong-import-position

BINARY = os.path.abspath(sys.argv[1])
STALL_S = 0.6
STALL_FROM_BYTES = 50_000  # Of answers: of some thousand records, in the middle of a run.


class Link:
    """Carries bytes between load and broker; `change` may stall or spoil what comes back."""

    def __init__(self, port, change):
        self.port, self.change, self.lose_from = port, change, 1 << 62
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        with client, socket.create_connection(("127.0.0.1", self.port)) as broker:
            for side in (client, broker):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            carried = 0
            with contextlib.suppress(OSError):
                while True:
                    for ready in select.select([client, broker], [], [])[0]:
                        data = ready.recv(1 << 16)
                        if not data:
                            return
                        if ready is broker:
                            data = self.change(data)
                        elif (carried := carried + len(data)) > self.lose_from:
                            continue
                        (broker if ready is client else client).sendall(data)


@contextlib.contextmanager
def null_broker():
    port = free_port()
    with subprocess.Popen([BINARY, "bench", "null-broker", "--bootstrap", f"127.0.0.1:{port}"],
                          stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    assert time.monotonic() < deadline and process.poll() is None
                    time.sleep(0.01)
            yield port
        finally:
            process.kill()


def bench(address, *words):
    done = subprocess.run([BINARY, "bench", *words, "--bootstrap", address, "--no-verify",
                           "--topic", "t", "-o", "json"], text=True, capture_output=True,
                          timeout=90, check=False)
    report = json.loads(done.stdout) if done.stdout else None
    return done.returncode, report, done.stderr


def an_open_loop_offers_what_was_asked_for():
    with null_broker() as port:
        status, report, said = bench(f"127.0.0.1:{port}", "latency", "--rate", "500", "--seconds",
                                     "2", "--warm-up", "0")
        assert status == 0, said
        assert report["offered"] == 1000, report
        assert 500 <= report["requests"] <= 1000, report  # A busy machine answers some late.


def what_is_produced_beside_does_not_count():
    with null_broker() as port:
        status, report, said = bench(f"127.0.0.1:{port}", "latency", "--rate", "200", "--seconds",
                                     "1", "--warm-up", "0", "--background", "10m")
        assert status == 0 and report["verified"], (report, said)
        assert report["records"] <= 200, report


def a_stall_of_the_broker_is_seen_by_all_that_was_due_meanwhile():
    """One client that waits would lose one request to the stall; the schedule loses them all."""
    stalled = threading.Event()
    carried = [0]

    def stall(data):
        carried[0] += len(data)
        if carried[0] > STALL_FROM_BYTES and not stalled.is_set():
            stalled.set()
            time.sleep(STALL_S)
        return data

    with null_broker() as port:
        link = Link(port, stall)
        status, report, said = bench(link.address, "latency", "--rate", "1000", "--seconds", "3",
                                     "--warm-up", "0", "--in-flight", "4")
        assert status == 0, said
        latency = report["latency_us"]
        assert stalled.is_set() and latency["max"] >= STALL_S * 1e6 * 0.9, report
        # 600 of 3,000 were due in the stall: a tenth of all waited for at least half of it.
        assert latency["p90"] >= STALL_S * 1e6 * 0.4, report
        assert report["offered"] == 3000, report


def a_stall_at_the_end_is_not_left_out():
    """What was due before the end counts, whenever its answer comes."""
    begin = time.monotonic()

    def stall(data):
        if time.monotonic() > begin + 0.8:
            time.sleep(0.05)
        return data

    with null_broker() as port:
        link = Link(port, stall)
        status, report, said = bench(link.address, "latency", "--rate", "400", "--seconds", "2",
                                     "--warm-up", "0", "--in-flight", "2")
        assert status == 0, said
        assert report["offered"] == 800, report
        assert report["requests"] < 700, report  # Achieved: what came back in time.
        assert report["latency_us"]["max"] > 500e3, report


def a_lost_connection_is_a_failure():
    count = [0]

    def cut(data):
        count[0] += 1
        if count[0] > 50:
            raise OSError("cut")
        return data

    with null_broker() as port:
        link = Link(port, cut)
        status, _, said = bench(link.address, "produce", "--seconds", "5", "--warm-up", "0")
        assert status == 1 and "closed" in said, (status, said)


def without_acks_what_was_sent_is_counted_and_looked_for():
    for kind in ("small", "latency"):
        with null_broker() as port:
            status, report, said = bench(f"127.0.0.1:{port}", kind, "--acks", "0", "--seconds",
                                         "1", "--warm-up", "0", "--partitions", "3")
            assert status == 0, said
            assert report["requests"] > 100 and report["verified"], report


def without_acks_what_never_arrived_is_found():
    """The broker behind it keeps what comes first, and the offsets that are asked for later."""
    with null_broker() as port:
        lossy = Link(port, lambda data: data)
        lossy.lose_from = 100000  # Bytes of one connection.
        status, report, said = bench(lossy.address, "latency", "--acks", "0", "--rate", "500",
                                     "--seconds", "1", "--warm-up", "0", "--connections", "1")
        assert status == 1 and "records sent, offsets 0 to" in said, (status, said)
        assert not report["verified"], report


def an_unknown_kind_is_named():
    done = subprocess.run([BINARY, "bench", "frob"], text=True, capture_output=True, timeout=20,
                          check=False)
    assert done.returncode == 2 and "unknown kind 'frob'" in done.stderr


TESTS = [
    an_open_loop_offers_what_was_asked_for,
    what_is_produced_beside_does_not_count,
    a_stall_of_the_broker_is_seen_by_all_that_was_due_meanwhile,
    a_stall_at_the_end_is_not_left_out,
    a_lost_connection_is_a_failure,
    without_acks_what_was_sent_is_counted_and_looked_for,
    without_acks_what_never_arrived_is_found,
    an_unknown_kind_is_named,
]


if __name__ == "__main__":
    sys.exit(tap.run(TESTS))
