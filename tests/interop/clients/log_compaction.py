#!/usr/bin/env python3
"""Kafka's LogCompactionTester: of each key the last value that was sent is the last that is read.

It is held between writing and reading until its topics are compacted.
"""

import concurrent.futures
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource,
                                   ResourceType)

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[1:3]]
import kafka_jvm  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap  # noqa: E402  pylint: disable=wrong-import-position

BOOTSTRAP, DATA = sys.argv[1:3]
SECONDS_MAX = 240  # For whatever has to come about; a loaded machine is slow.
# It makes its topics itself, so they go by what the broker has.
CONFIG = {"log.segment.bytes": "1048576", "log.cleaner.backoff.ms": "100",
          "log.cleaner.min.cleanable.ratio": "0.01"}
MESSAGES = 200000
HOLD_SECONDS = 2  # It sleeps so long by itself: time enough to be stopped in.


def configure():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    node = min(admin.list_topics(timeout=SECONDS_MAX).brokers)
    entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
               for name, value in CONFIG.items()]
    resource = ConfigResource(ResourceType.BROKER, str(node), incremental_configs=entries)
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(SECONDS_MAX)


def compacted(topics):
    """Each of them, at least the first half of what was sent; its first segments, that is."""
    path = pathlib.Path(DATA) / "cleaner-offset-checkpoint"
    lines = path.read_text(encoding="utf-8").splitlines()[2:] if path.exists() else []
    to = {line.split()[0]: int(line.split()[2]) for line in lines}
    return all(to.get(topic, 0) > MESSAGES // 2 for topic in topics)


class Tester:
    """One run of it. Its files go with it."""

    def __init__(self, *arguments):
        # pylint: disable=consider-using-with
        self.folder = tempfile.TemporaryDirectory(prefix="millrace-test-")
        words = [*kafka_jvm.command(), "org.apache.kafka.tools.LogCompactionTester",
                 "--bootstrap-server", BOOTSTRAP, "--messages", str(MESSAGES), "--sleep",
                 str(HOLD_SECONDS), *arguments]
        words.insert(1, f"-Djava.io.tmpdir={self.folder.name}")
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        self.said = ""
        self.timer = threading.Timer(SECONDS_MAX, self.process.kill)
        self.timer.start()

    def hold(self):
        """Until what it has written is compacted."""
        for line in self.process.stdout:
            self.said += line
            if line.startswith("Sleeping"):
                break
        topics = re.findall(r"log-cleaner-test-[-0-9]+", self.said)
        assert topics, self.said
        self.process.send_signal(signal.SIGSTOP)
        try:
            end = time.monotonic() + SECONDS_MAX
            while DATA and not compacted(topics):
                assert time.monotonic() < end, "not compacted"
                time.sleep(0.1)
        finally:
            self.process.send_signal(signal.SIGCONT)

    def end(self):
        self.said += self.process.stdout.read()
        status = self.process.wait()
        self.timer.cancel()
        self.folder.cleanup()
        print("# " + self.said.replace("\n", "\n# "), flush=True)
        return status


def judge(tester):
    """It was there, less was read than was sent, and the tester is content."""
    tester.hold()
    status = tester.end()
    assert status == 0 and "Data verification is completed" in tester.said, status
    sent, read = re.search(r"(\d+) rows of data produced, (\d+) rows", tester.said).groups()
    assert int(read) < int(sent), "nothing was compacted before it was read"


if __name__ == "__main__":
    tap = Tap()
    tap.check("its configuration", configure)
    runs = {"two topics, nothing compressed": ("--topics", "2"),
            "deletes, with zstd": ("--percent-deletes", "20", "--compression-type", "zstd")}
    # Side by side: most of a run is waiting for records that do not come.
    with concurrent.futures.ThreadPoolExecutor(len(runs)) as threads:
        judged = {name: threads.submit(judge, Tester(*words)) for name, words in runs.items()}
        for name, one in judged.items():
            tap.check(name, one.result)
    sys.exit(tap.done())
