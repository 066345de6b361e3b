#!/usr/bin/env python3
"""Our own TCP on a DPDK port, beyond what clients see: kill -9 under load, bulk compared byte by
byte, an idle node, what is left behind, and which interfaces are refused."""

import argparse
import hashlib
import os
import pathlib
import random
import subprocess
import sys
import time
import urllib.request

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[0:2]]
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import pins  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal, skip_all  # noqa: E402  pylint: disable=wrong-import-position

KILLS = 3
BULK_BYTES = 100_000_000
LINE_BYTES = 1000
IDLE_SECONDS = 5
IDLE_TURNS_PER_SECOND_MAX = 200  # A core that polls makes 100,000 and more.


def kcat(broker, *arguments, data=None):
    done = subprocess.run(["kcat", "-b", broker.bootstrap, *arguments], input=data, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise AssertionError(f"kcat {arguments}: {done.stderr.decode()[-600:]}")
    return done.stdout


def interfaces():
    return set(os.listdir("/sys/class/net"))


def says_dpdk(broker):
    equal(broker.status()["network_path"], "dpdk", "network path")
    equal(broker.interface in interfaces(), True, "the tap is there")


def bulk_both_ways(broker):
    seeded = random.Random(77)
    data = b"".join(seeded.randbytes(LINE_BYTES // 2).hex().encode()[:-1] + b"\n"
                    for _ in range(BULK_BYTES // LINE_BYTES))
    kcat(broker, "-P", "-t", "bulk", "-p", "0", "-X", "acks=all", "-X",
         "topic.metadata.propagation.max.ms=30000", data=data)
    got = kcat(broker, "-C", "-t", "bulk", "-p", "0", "-o", "beginning", "-e", "-q")
    equal(hashlib.sha256(got).hexdigest(), hashlib.sha256(data).hexdigest(), "bytes")


def kill_under_load(broker):
    """An idempotent producer that goes on over kills of the dataplane loses and doubles nothing."""
    lines = [f"line {i}" for i in range(60_000)]
    topic = "killed"
    kcat(broker, "-P", "-t", topic, "-p", "0", "-X", "topic.metadata.propagation.max.ms=30000",
         data=b"first\n")
    # pylint: disable-next=consider-using-with
    producer = subprocess.Popen(
        ["kcat", "-E", "-b", broker.bootstrap, "-P", "-t", topic, "-p", "0", "-X", "acks=all",
         "-X", "enable.idempotence=true", "-X", "linger.ms=1", "-X", "request.timeout.ms=2000",
         "-X", "socket.timeout.ms=3000", "-X", "reconnect.backoff.max.ms=500", "-X",
         "message.timeout.ms=60000"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for part in range(KILLS + 1):
        for line in lines[part::KILLS + 1]:
            producer.stdin.write(line.encode() + b"\n")
        producer.stdin.flush()
        if part < KILLS:
            time.sleep(0.1)
            broker.kill("dataplane")
    producer.stdin.close()
    equal(producer.wait(90), 0, "the producer's status")
    got = kcat(broker, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e",
               "-q").decode().split()
    equal(len(got), 1 + 2 * len(lines), "words")
    wanted = [line for part in range(KILLS + 1) for line in lines[part::KILLS + 1]]
    equal(" ".join(got), " ".join(["first", *wanted]), "records in order")


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def turns(broker):
    with urllib.request.urlopen(f"http://{broker.http}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith("millrace_turns_total{"))


def idle_sleeps(broker):
    pid = broker.pid_of("dataplane")
    ticks, before = cpu_ticks(pid), turns(broker)
    time.sleep(IDLE_SECONDS)
    used = (cpu_ticks(pid) - ticks) / os.sysconf("SC_CLK_TCK")
    made = turns(broker) - before
    print(f"# {used} s of CPU and {made:.0f} turns in {IDLE_SECONDS} s without work", flush=True)
    if made > IDLE_TURNS_PER_SECOND_MAX * IDLE_SECONDS:
        raise AssertionError(f"{made} turns in {IDLE_SECONDS} s without work")


def nothing_is_left(broker):
    equal(broker.stop(), 0, "status of down")
    equal(broker.interface in interfaces(), False, "the tap is there after down")


def metric_of_cores(broker, name):
    with urllib.request.urlopen(f"http://{broker.http}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return [int(line.split()[1]) for line in lines if line.startswith(f"millrace_{name}{{core=")]


def cores_share_a_port(broker, cores, hearing):
    """Every core takes connections in, and what is read back is what was sent. hearing: so many
    of the cores have queues; frames reach the others by way of them."""
    done = subprocess.run(
        [*getattr(broker, "client_prefix", ()), broker.tool, "bench", "small", "--bootstrap",
         broker.bootstrap, "--seconds", "1", "--warm-up", "0", "--connections", "32",
         "--partitions", "8"],
        timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    equal((done.returncode, b"verified" in done.stdout), (0, True), done.stdout.decode()[-600:])
    accepted = metric_of_cores(broker, "sockets_accepted_total")
    taken = metric_of_cores(broker, "frames_taken_total")
    print(f"# connections {accepted}, frames handed over {taken}", flush=True)
    equal((len(accepted), min(accepted) > 0), (cores, True), f"connections {accepted}")
    if hearing < cores:
        equal((max(taken[:hearing]), min(taken[hearing:]) > 0), (0, True),
              f"frames handed over {taken}")


def default_route_is_refused(build):
    routes = pathlib.Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]
    interface = next((line.split()[0] for line in routes if line.split()[1] == "00000000"), None)
    if interface is None:
        return None  # Nobody could be cut off.
    broker = brokers.OverTap(build, arguments=[
        "--set", f"network.device=net_af_packet0,iface={interface}", "--set",
        "network.host_address="])
    try:
        broker.start()
    except RuntimeError as refused:
        if f"would take {interface}, which carries the default route" in str(refused):
            return None
        raise
    finally:
        broker.stop()
        broker.remove()
    raise AssertionError("it took the interface of the default route")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    options = parser.parse_args()
    tap = Tap()
    try:
        broker = brokers.OverTap(options.build)
    except pins.Unavailable as reason:
        skip_all(str(reason))
    with broker:
        tap.check("the node says that it serves over DPDK", says_dpdk, broker)
        tap.check("bulk comes back byte by byte", bulk_both_ways, broker)
        tap.check("nothing is lost or doubled over kill -9", kill_under_load, broker)
        tap.check("an idle node sleeps", idle_sleeps, broker)
        tap.check("down leaves no tap behind", nothing_is_left, broker)
    for cores in (2, 4):
        with brokers.OverTap(options.build, arguments=["--set", f"cores.count={cores}"]) as broker:
            tap.check(f"{cores} cores share a tap", cores_share_a_port, broker, cores, cores)
    for cores, queues in ((3, 1), (5, 2)):
        with brokers.OverVeth(options.build, config=f"cores:\n  count: {cores}\n",
                              queues=queues) as broker:
            tap.check(f"{cores} cores share a port of {queues} queues", cores_share_a_port, broker,
                      cores, queues)
    tap.check("the interface of the default route is refused", default_route_is_refused,
              options.build)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
