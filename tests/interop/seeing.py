#!/usr/bin/env python3
"""`millrace net`, `millrace capture`, the metrics of the port and DPDK's telemetry over a tap, and
what they say with kernel sockets."""

import argparse
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[0:2]]
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import pins  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal, skip_all  # noqa: E402  pylint: disable=wrong-import-position

# What may not be in a capture of a port between this host and us.
EXPERT_DENIED = ["tcp.checksum.status == 0", "ip.checksum.status == 0", "_ws.malformed",
                 "_ws.short", "tcp.analysis.retransmission",
                 "tcp.analysis.out_of_order"]


def millrace(broker, *words, **more):
    return subprocess.run([broker.tool, *words, "--data", broker.data[0]], timeout=60, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def kcat(broker, *arguments, data=None):
    done = subprocess.run(["kcat", "-b", broker.bootstrap, *arguments], input=data, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    equal(done.returncode, 0, f"kcat {arguments}: {done.stderr.decode()[-300:]}")
    return done.stdout


def produce(broker, count=200):
    kcat(broker, "-P", "-t", "seen", "-p", "0", "-X", "topic.metadata.propagation.max.ms=30000",
         data=(b"x" * 500 + b"\n") * count)


def net(broker):
    done = millrace(broker, "net", "-o", "json")
    equal(done.returncode, 0, f"status of net: {done.stderr}")
    return json.loads(done.stdout)


def held_open(broker):
    """A client that stays."""
    host, port = broker.bootstrap.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=60)


def net_tells_port_and_connections(broker):
    produce(broker)
    with held_open(broker) as client:
        deadline = time.monotonic() + 60
        found = []
        while not found and time.monotonic() < deadline:
            seen = net(broker)
            peer = ":".join(str(part) for part in client.getsockname())
            found = [c for c in seen["connections"] if c["peer"] == peer]
        equal(len(found), 1, f"connections of {peer}")
        equal(found[0]["state"], "established", "state")
        equal(found[0]["local"], broker.bootstrap, "local address")
        for name in ("cwnd", "ssthresh", "srtt", "rttvar", "rto", "retransmits", "sacked",
                     "send_window", "receive_window", "bytes_sent", "pinned", "mss"):
            equal(name in found[0], True, f"{name} is told")
        text = millrace(broker, "net")
        equal(text.returncode, 0, "status of net for people")
        equal(peer in text.stdout and "established" in text.stdout, True, text.stdout)
    equal((seen["path"], seen["port"]["driver"]), ("dpdk", "net_tap"), "path and driver")
    equal(seen["port"]["interface"], broker.interface, "interface")
    core = seen["cores"][0]
    for part, name in (("queue", "in_frames"), ("queue", "out_frames"), ("tcp", "in_segments"),
                       ("tcp", "opened"), ("ip", "in_segments")):
        equal(core[part][name] > 0, True, f"{part} {name}")
    equal(core["states"]["established"] >= 1, True, "established")


def fields_of(path, *names):
    words = [word for name in names for word in ("-e", name)]
    done = subprocess.run(["tshark", "-r", str(path), "-T", "fields", *words], timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, text=True)
    equal(done.returncode, 0, f"tshark: {done.stderr[-300:]}")
    return [line.split("\t") for line in done.stdout.splitlines()]


def captured(broker, path, *words, load=produce, end=None):
    """Captures while load runs; end: a signal instead of an own end."""
    command = [broker.tool, "capture", "-w", str(path), "--data", broker.data[0], *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not path.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)  # Its head comes once the cores were told.
        load(broker)
        if end is not None:
            process.send_signal(end)
        _, said = process.communicate(timeout=60)
        equal(process.returncode, 0, f"status of capture: {said}")


def tshark_reads_both_directions(broker, folder):
    path = folder / "both.pcapng"
    begin = time.time()
    captured(broker, path, end=signal.SIGINT)
    frames = fields_of(path, "frame.time_epoch", "frame.packet_flags_direction", "frame.len",
                       "tcp.port", "tcp.payload")
    directions = {int(row[1], 0) for row in frames}
    equal(directions, {1, 2}, "directions")
    times = [float(row[0]) for row in frames]
    equal(begin - 1 <= min(times) <= max(times) <= time.time() + 1, True, "times")
    equal(times, sorted(times), "the order of one core's frames")
    port = broker.bootstrap.rsplit(":", 1)[1]
    equal(any(port in row[3].split(",") for row in frames), True, "frames of clients")
    for name in EXPERT_DENIED:
        done = subprocess.run(
            ["tshark", "-r", str(path), "-o", "tcp.check_checksum:TRUE", "-o",
             "ip.check_checksum:TRUE", "-Y", name], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, timeout=60, check=False, text=True)
        equal((done.returncode, done.stdout), (0, ""), f"frames with {name}")


def filter_count_and_snap_are_kept(broker, folder):
    path = folder / "port.pcapng"
    captured(broker, path, "--port", broker.bootstrap.rsplit(":", 1)[1], "--count", "7", "--snap",
             "80")
    frames = fields_of(path, "ip.proto", "frame.cap_len", "frame.len")
    equal(len(frames), 7, "frames")
    equal({row[0] for row in frames}, {"6"}, "protocols")
    equal(max(int(row[1]) for row in frames), 80, "bytes kept")
    path = folder / "other.pcapng"
    captured(broker, path, "--port", "1", "--seconds", "1")
    equal(len(fields_of(path, "frame.len")), 0, "frames of a port that nobody uses")


def metrics(broker):
    with urllib.request.urlopen(f"http://{broker.http}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return {line.split()[0]: float(line.split()[1]) for line in lines
            if line and not line.startswith("#")}


def metrics_tell_the_port(broker):
    deadline = time.monotonic() + 60
    with held_open(broker):
        while (metrics(broker).get('millrace_tcp_established{core="0"}', 0) < 1
               and time.monotonic() < deadline):
            time.sleep(0.1)
        found = metrics(broker)
    for name in ("port_in_frames_total", "port_out_bytes_total", "tcp_in_segments_total",
                 "tcp_out_segments_total", "tcp_established"):
        equal(found[f'millrace_{name}{{core="0"}}'] > 0, True, name)
    equal(found["millrace_port_link_up"], 1.0, "the link")
    equal(found["millrace_port_buffers"] > 0, True, "buffers")
    equal(found['millrace_tcp_in_bad_checksum_total{core="0"}'], 0.0, "bad checksums")


def telemetry_answers(broker):
    path = net(broker)["dpdk_telemetry"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(60)
        client.connect(path)
        equal("version" in json.loads(client.recv(16384)), True, "it greets")
        client.send(b"/ethdev/list")
        equal(json.loads(client.recv(16384)), {"/ethdev/list": [0]}, "ports")


def net_works_under_load(broker):
    """Nobody is held up, and every answer is whole."""
    thread = threading.Thread(target=produce, args=(broker, 100_000))
    thread.start()
    asked = 0
    while thread.is_alive() or asked < 5:
        equal(net(broker)["path"], "dpdk", "path")
        asked += 1
    thread.join()
    late = metrics(broker)['millrace_turns_late_total{core="0"}']
    print(f"# asked {asked} times, {late:.0f} turns were late", flush=True)


def kernel_sockets_are_said(build):
    with brokers.Millrace(build) as broker:
        seen = net(broker)
        equal(seen["path"], "sockets", "path")
        equal(broker.bootstrap.rsplit(":", 1)[1] in seen["hint"], True, seen["hint"])
        refused = millrace(broker, "capture", "-w", str(broker.folder / "none.pcapng"))
        equal(refused.returncode, 1, "status of capture")
        equal("kernel sockets" in refused.stderr, True, refused.stderr)
        equal((broker.folder / "none.pcapng").exists(), False, "a file")
        equal(any(name.startswith("millrace_tcp_") for name in metrics(broker)), False,
              "metrics of a TCP that is not there")
        broker.stop()
        gone = millrace(broker, "net")
        equal((gone.returncode, "millrace up" in gone.stderr), (1, True), gone.stderr)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    options = parser.parse_args()
    tap = Tap()
    tap.check("kernel sockets are said to be the kernel's", kernel_sockets_are_said, options.build)
    try:
        broker = brokers.OverTap(options.build)
    except pins.Unavailable as reason:
        skip_all(str(reason))
    with broker:
        tap.check("net tells the port and its connections", net_tells_port_and_connections, broker)
        for name, check in (("tshark reads what capture wrote", tshark_reads_both_directions),
                            ("filter, count and snap are kept", filter_count_and_snap_are_kept)):
            if shutil.which("tshark") is None:
                tap.skip(name, "no tshark here")
            else:
                tap.check(name, check, broker, broker.folder)
        tap.check("the metrics tell of port and TCP", metrics_tell_the_port, broker)
        tap.check("DPDK's telemetry answers", telemetry_answers, broker)
        tap.check("net works under load", net_works_under_load, broker)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
