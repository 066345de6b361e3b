#!/usr/bin/env python3
"""The files a node leaves behind, read by Kafka's own dump tool (H9).

    log_files.py BUILD

While the node runs, through `millrace log seal`; after a clean stop, as they lie; after kill -9 of
all processes in the middle of produce requests, sealed again.
"""

import contextlib
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import kafka_dump  # noqa: E402  pylint: disable=wrong-import-position
import pins  # noqa: E402  pylint: disable=wrong-import-position
import tap  # noqa: E402  pylint: disable=wrong-import-position

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
KAFKA_NAMES = {"uncompressed": "none"}
LINES = 12000
KILL_AFTER_BYTES = 24 << 20  # Some tens of segments; a fast machine would write thousands.
KILL_SECONDS_MAX = 30
COMPACTION_SECONDS_MAX = 120


class Node:
    def __init__(self, build, kafka):
        self.broker = brokers.Millrace(build, config="kafka:\n  log.cleaner.backoff.ms: 500\n")
        self.kafka = kafka
        self.tool = self.broker.tool
        self.data = pathlib.Path(self.broker.data[0])

    def run(self, *words, data=None, ok=(0,)):
        done = subprocess.run([self.tool, *words], input=data, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=120, check=False)
        if done.returncode not in ok:
            raise AssertionError(f"{words}: status {done.returncode}: "
                                 f"{(done.stdout + done.stderr).decode()[-800:]}")
        return done.stdout

    def produce(self, topic, codec, lines):
        self.run("produce", topic, "-z", codec, "--bootstrap", self.broker.bootstrap,
                 data="\n".join(lines).encode())

    def fill(self):
        """Several segments of each codec, indexes with many entries."""
        for codec in CODECS:
            topic = f"files-{codec}"
            self.run("topic", "create", topic, "-p", "2", "-c", "segment.bytes=1048576",
                     "--bootstrap", self.broker.bootstrap)
            source = random.Random(codec)
            lines = [f"{i} {source.getrandbits(1600):x}" for i in range(LINES)]
            for start in range(0, LINES, 1500):
                self.produce(topic, codec, lines[start:start + 1500])

    def fill_rebuilt(self):
        """Topics whose compression.type is another than what is sent: the broker's own batches."""
        for target in ("uncompressed", *CODECS[1:]):
            topic = f"rebuilt-{target}"
            self.run("topic", "create", topic, "-p", "1", "-c", f"compression.type={target}",
                     "--bootstrap", self.broker.bootstrap)
            for codec in CODECS:
                self.produce(topic, codec, [f"{codec} {i}" for i in range(500)])
            lines = self.run("consume", topic, "-e", "-f", "%s\\n", "--bootstrap",
                             self.broker.bootstrap).decode().splitlines()
            tap.equal(lines, [f"{codec} {i}" for codec in CODECS for i in range(500)], topic)

    def fill_compacted(self):
        """Three hundred keys, each written often with every codec; what each has last."""
        self.run("topic", "create", "compacted", "-p", "1", "-c", "segment.bytes=1048576", "-c",
                 "cleanup.policy=compact", "-c", "min.cleanable.dirty.ratio=0.01", "-c",
                 "file.delete.delay.ms=0", "--bootstrap", self.broker.bootstrap)
        last = {}
        for codec in CODECS:
            source = random.Random(codec)
            rows = [(f"key{source.randrange(300)}", f"{i}-{source.getrandbits(1600):x}")
                    for i in range(4000)]
            last.update(rows)
            self.run("produce", "compacted", "-z", codec, "-k", ":", "--bootstrap",
                     self.broker.bootstrap, data="\n".join(map(":".join, rows)).encode())
        return last

    def seal(self, name, ok=(0,)):
        target = self.broker.folder / name
        self.run("log", "seal", str(self.data), str(target), ok=ok)
        return target


def kafka_reads(kafka, data):
    """Every file of every partition, then the indexes once more, then the metadata log."""
    folders = sorted(p for p in data.iterdir() if p.is_dir() and p.name[-1].isdigit())
    files = [path for folder in folders for path in kafka_dump.files_of(folder)]
    logs = [p for p in files if p.suffix == ".log"]
    assert len([p for p in logs if "files-none" in str(p)]) >= 4, "too few segments to be a test"
    faults, told = kafka.dump(files, "--deep-iteration")
    assert not faults, "\n".join(faults[:20])
    for target in ("uncompressed", *CODECS[1:]):
        codecs = [codec for path, text in told.items() if f"rebuilt-{target}-0" in str(path)
                  for codec in re.findall(r"compresscodec: (\w+)", text)]
        assert len(codecs) >= len(CODECS) and set(codecs) == {KAFKA_NAMES.get(target, target)}, \
            f"rebuilt-{target}: {codecs}"
    indexes = [p for p in files if p.suffix in (".index", ".timeindex") and p.stat().st_size]
    assert indexes, "no index has an entry"
    for option in ("--index-sanity-check", "--verify-index-only"):
        faults, _ = kafka.dump(indexes, option)
        assert not faults, "\n".join(faults[:20])
    metadata = kafka_dump.files_of(data / "__cluster_metadata-0")
    faults, told = kafka.dump([p for p in metadata if p.suffix == ".log"],
                              "--cluster-metadata-decoder")
    assert not faults, "\n".join(faults[:20])
    assert any('"type":"TOPIC_RECORD"' in text for text in told.values()), "no topic is in it"
    assert not any("skipping" in text for text in told.values()), "a record that Kafka cannot read"


def keep_sending(writer):
    with contextlib.suppress(OSError, ValueError):
        while True:
            writer.stdin.write(b"x" * 200 + b"\n")


def written_bytes(node):
    """What the segments of the killed producer's topic take on the disk."""
    return sum(path.stat().st_blocks * 512 for folder in node.data.glob("files-none-*")
               for path in folder.glob("*.log"))


def wait_for_growth(node, writer, start):
    deadline = time.monotonic() + KILL_SECONDS_MAX
    while written_bytes(node) < start + KILL_AFTER_BYTES:
        assert writer.poll() is None, "the producer gave up before the kill"
        assert time.monotonic() < deadline, "the producer writes too slowly"
        time.sleep(0.005)


def after_kill(node):
    """kill -9 of all three with requests under way."""
    broker = node.broker
    broker.start()
    start, status = written_bytes(node), broker.status()
    writer = subprocess.Popen([node.tool, "produce", "files-none", "--bootstrap",
                               broker.bootstrap], stdin=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
    with contextlib.suppress(BrokenPipeError), writer:
        sender = threading.Thread(target=keep_sending, args=(writer,))
        sender.start()
        wait_for_growth(node, writer, start)
        for pid in (status["supervisor"], *(entry["pid"] for entry in status["processes"])):
            os.kill(pid, signal.SIGKILL)
        writer.kill()
        sender.join()
    time.sleep(0.5)  # Writes under way may still reach the disk (H3).
    sealed = node.seal("after-kill", ok=(0, 3))
    node.run("log", "verify", str(sealed), ok=(0, 3))
    kafka_reads(node.kafka, sealed)


def compacted(node):
    """Each key's last record is there, and of five segments little else."""
    last = node.fill_compacted()
    folder = node.data / "compacted-0"
    cleaned = node.data / "cleaner-offset-checkpoint"
    deadline = time.monotonic() + COMPACTION_SECONDS_MAX
    while True:
        names = sorted(path.name for path in folder.iterdir())
        newest = max(int(name[:20]) for name in names if name.endswith(".log"))
        if (cleaned.exists() and f"compacted 0 {newest}\n" in cleaned.read_text() and
                not any(name.endswith((".deleted", ".cleaned", ".swap")) for name in names)):
            break
        assert time.monotonic() < deadline, "nothing is compacted"
        time.sleep(0.1)
    assert sum(p.stat().st_size for p in folder.glob("*.log")) < 3 << 20, "nothing is gone"
    lines = node.run("consume", "compacted", "-e", "-f", "%k:%s\\n", "--bootstrap",
                     node.broker.bootstrap).decode().splitlines()
    assert dict(line.split(":", 1) for line in lines) == last, "a key is lost or old"
    sealed = node.seal("compacted", ok=(0, 3))
    node.run("log", "verify", "--gaps", str(sealed), ok=(0, 3))
    faults, _ = node.kafka.dump(kafka_dump.files_of(sealed / "compacted-0"), "--deep-iteration")
    faults = [fault for fault in faults if "Non-consecutive" not in fault and
              "is followed by" not in fault]  # As of any compacted log.
    assert not faults, "\n".join(faults[:20])


def while_running(node):
    node.fill()
    node.fill_rebuilt()
    node.run("log", "verify", str(node.data), ok=(0, 3))
    sealed = node.seal("running", ok=(0, 3))
    node.run("log", "verify", str(sealed), ok=(0, 3))
    kafka_reads(node.kafka, sealed)


def after_a_clean_stop(node):
    tap.equal(node.broker.stop(), 0, "status of down")
    node.run("log", "verify", str(node.data))
    kafka_reads(node.kafka, node.data)


def main():
    try:
        node = Node(sys.argv[1], kafka_dump.DumpTool())
    except pins.Unavailable as reason:
        tap.skip_all(str(reason))
    checks = tap.Tap()
    try:
        node.broker.start()
        checks.check("Kafka reads what compaction left, and each key's last record is there",
                     compacted, node)
        node.run("topic", "delete", "compacted", "--yes", "--bootstrap", node.broker.bootstrap)
        checks.check("Kafka reads a sealed copy of a running node's files", while_running, node)
        checks.check("Kafka reads the files of a stopped node as they lie", after_a_clean_stop,
                     node)
        checks.check("Kafka reads a sealed copy after kill -9", after_kill, node)
    finally:
        if checks.failed:
            print("# " + node.broker.logs().replace("\n", "\n# "), flush=True)
        node.broker.stop()
        node.broker.remove()
    return checks.done()


if __name__ == "__main__":
    sys.exit(main())
