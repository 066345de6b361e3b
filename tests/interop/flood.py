"""20,000 SYNs a second beside clients that want to be served: what the Linux peer's checks need.

The flood goes to the node and, every other half second, into a tap that nobody reads: so what takes
CPU beside the clients is the same all the time, and the clients' counts in the one kind of half
second stand against those in the other."""

import contextlib
import fcntl
import json
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import time

SLICE_SECONDS = 0.5
PER_SECOND = 20_000
SYNS = 40_000  # To the node: those of two seconds.
MEMORY_CAP_MIB = 512  # memory.cap of the node.
HALF_OPEN_MAX = 1024
OFF_LINK = "198.18"  # Of the network that RFC 2544 keeps for tests.


def to_node():
    """True in those half seconds in which the flood goes to the node; all processes agree."""
    return int(time.monotonic() / SLICE_SECONDS) % 2 == 1


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


# ---- Peers ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def unread_tap():
    """A tap of this process, up; what is sent into it is lost."""
    name = f"mrsink{os.getpid() & 0xffff}"
    with open("/dev/net/tun", "r+b", buffering=0) as device:
        fcntl.ioctl(device, 0x400454ca, struct.pack("16sH", name.encode(), 0x1002))  # TUNSETIFF.
        subprocess.run(["ip", "link", "set", name, "up"], check=True, timeout=20)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind((name, 0))
            yield wire


def peer_flood(interface, mac, ours, theirs, port, kind):
    """SYNs of invented neighbours, or of addresses beyond the gateway, until the node got SYNS of
    them. Tells how many went where, and in what time."""
    target = bytes.fromhex(mac.replace(":", ""))
    source = bytes.fromhex(pathlib.Path(f"/sys/class/net/{interface}/address").read_text(
        encoding="ascii").strip().replace(":", ""))
    draw = random.Random(5)
    network = socket.inet_aton(ours)[:3]
    near = [network + bytes([i]) for i in range(3, 250)]
    far = [socket.inet_aton(f"{OFF_LINK}.{draw.randrange(256)}.{draw.randrange(1, 255)}")
           for _ in range(5000)]
    frames = [syn_frame(target, source, draw.choice(near if kind == "neighbours" else far),
                        socket.inet_aton(theirs), draw.randrange(1024, 65536), port,
                        draw.getrandbits(32)) for _ in range(20_000)]
    sent = [0, 0]
    began = last = time.monotonic()
    due = 0.0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire, unread_tap() as sink:
        wire.bind((interface, 0))
        while sent[True] < SYNS:
            now = time.monotonic()
            due = min(due + (now - last) * PER_SECOND, PER_SECOND * SLICE_SECONDS / 10)
            last = now
            here = to_node()
            while due >= 1:
                due -= 1
                with contextlib.suppress(BlockingIOError, OSError):
                    (wire if here else sink).send(frames[sent[True] % len(frames)])
                    sent[here] += 1
            time.sleep(0.001)
    print(json.dumps([*sent, time.monotonic() - began]), flush=True)


def peer_asker(connect, ask):
    """Asks one small question after the other, until it is told to end; with a connection of its
    own for every tenth. Tells questions, connections and the longest wait, without and with."""
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    steady = connect()
    questions, connections, longest = [0, 0], [0, 0], [0.0, 0.0]
    print("asking", flush=True)
    while not ended:
        began = time.monotonic()
        connection = connect() if sum(questions) % 10 == 0 else steady
        ask(connection)
        here = to_node()
        if connection is not steady:
            connection.close()
            connections[here] += 1
        questions[here] += 1
        longest[here] = max(longest[here], time.monotonic() - began)
    print(json.dumps([questions, connections, longest]), flush=True)


# ---- The check -----------------------------------------------------------------------------------


def memory_mib(side):
    """Of both processes; pages they share count twice."""
    total = 0
    for process in ("dataplane", "control"):
        status = pathlib.Path(f"/proc/{side.broker.pid_of(process)}/status").read_text(
            encoding="ascii")
        total += sum(int(line.split()[1]) for line in status.splitlines()
                     if line.startswith(("VmRSS:", "HugetlbPages:")))
    return total / 1024


def flooded(side, kind, metric):
    """metric(name): its value now. Every question is answered and every connection made, the flood
    takes no more memory than there is; what it cost is printed. Returns what is wrong."""
    side.run("ping", side.host, 1, 56)  # So that its hardware address is known.
    mac = side.call("ip", "neigh", "show", side.host).decode().split("lladdr ")[1].split()[0]
    # What the node answers to addresses elsewhere ends here.
    side.call("sh", "-c", f"echo 0 >/proc/sys/net/ipv4/conf/{side.interface}/forwarding")
    names = ("tcp_syn_cookies_sent_total", "tcp_syn_cookies_taken_total", "tcp_syn_dropped_total",
             "ip_out_no_frame_total")
    before = [metric(name) for name in names]
    with contextlib.ExitStack() as stack:
        askers = [stack.enter_context(side.start("asker", side.host, side.port)) for _ in range(3)]
        if any(asker.stdout.readline() != "asking\n" for asker in askers):
            return ["an asker did not begin"]
        aside, sent, seconds = json.loads(" ".join(side.run(
            "flood", side.interface, mac, side.own, side.host, side.port, kind)))
        for asker in askers:
            asker.terminate()
        told = [json.loads(asker.communicate(timeout=60)[0]) for asker in askers]
    cookies, taken, dropped, no_frame = (metric(name) - old for name, old in zip(names, before))
    questions, connections = ([sum(row[column][here] for row in told) for here in (0, 1)]
                              for column in (0, 1))
    longest = [max(row[2][here] for row in told) for here in (0, 1)]
    held, half_open = memory_mib(side), metric("tcp_half_open")
    print(f"# {sent} SYNs of {kind} and {aside} aside in {seconds:.1f} s: questions "
          f"{questions[1]} with, {questions[0]} without ({questions[1] / questions[0]:.2f}), "
          f"connections {connections[1]} and {connections[0]}, longest wait "
          f"{longest[1] * 1e3:.0f} and {longest[0] * 1e3:.0f} ms; cookies {cookies:.0f} out, "
          f"{taken:.0f} back; {held:.0f} MiB", flush=True)
    good = {"all askers were served, with and without": min(questions + connections) > 0,
            "cookies went out and came back": cookies > SYNS / 10 and taken > 0,
            "no SYN was dropped, no answer for want of memory": dropped == 0 and no_frame == 0,
            "half-open entries are bounded": half_open <= HALF_OPEN_MAX,
            f"at most {MEMORY_CAP_MIB} MiB are held": held <= MEMORY_CAP_MIB}
    said = f"{dropped:.0f} dropped, {no_frame:.0f} unanswered, {half_open:.0f} half-open"
    return [f"not so: {words} ({said})" for words, so in good.items() if not so]
