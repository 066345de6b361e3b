#!/usr/bin/env python3
"""Kafka Streams, exactly once: words are counted while the application is killed and started
again, and while control is killed."""

import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(path) for path in HERE.parents[0:2]]
from tap import Tap, equal  # noqa: E402  pylint: disable=wrong-import-position

BOOTSTRAP, DATA = sys.argv[1:3]  # No data directory: not our broker.
CLASSPATH = os.environ["MILLRACE_TEST_CLASSPATH"]
TOOL = os.environ["MILLRACE_TEST_TOOL"]
PARTITIONS = 3
ROUNDS, LINES, WORDS = 4, 250, 8  # In a round; in a line.
SECONDS_MAX = 240  # For whatever has to come about; a loaded machine is slow.


class Application:
    """A process of the application; the state directory outlives it."""

    def __init__(self, folder):
        self.log_path = folder / "application.log"
        # pylint: disable-next=consider-using-with
        self.log = open(self.log_path, "ab")
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(
            ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", CLASSPATH,
             str(HERE / "java" / "WordCount.java"), BOOTSTRAP, "word-count", "lines", "counts",
             str(folder / "state")],
            stdin=subprocess.PIPE, stdout=self.log, stderr=self.log)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.log.close()

    def close(self):
        self.process.communicate(timeout=SECONDS_MAX)
        self.log.close()
        equal(self.process.returncode, 0, "status of the application")

    def tail(self):
        return self.log_path.read_text(errors="replace")[-4000:]


class Reader:
    """What stands in the output, under read_committed."""

    def __init__(self):
        self.seen = collections.defaultdict(list)
        self.consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "none",
                                  "enable.auto.commit": False, "isolation.level": "read_committed",
                                  "auto.offset.reset": "earliest"})
        self.consumer.assign([TopicPartition("counts", i, 0) for i in range(PARTITIONS)])

    def poll(self):
        for message in self.consumer.consume(500, 0.2):
            if message.error():
                raise KafkaException(message.error())
            self.seen[message.key().decode()].append(int(message.value()))

    def total(self):
        """How many words are counted."""
        return sum(counts[-1] for counts in self.seen.values())

    def until(self, total, application, what):
        end = time.monotonic() + SECONDS_MAX
        while self.total() < total:
            assert time.monotonic() < end and application.process.poll() is None, \
                f"{what}: {self.total()} of {total} words\n{application.tail()}"
            self.poll()


def create_topics():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    topics = [NewTopic(name, PARTITIONS, 1) for name in ("lines", "counts")]
    for future in admin.create_topics(topics).values():
        future.result(SECONDS_MAX)


def send_round(source, want):
    """One round of lines; what is to be counted grows."""
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    for _ in range(LINES):
        words = [f"word{source.randrange(40)}" for _ in range(WORDS)]
        want.update(words)
        producer.produce("lines", " ".join(words))
        producer.poll(0)
    equal(producer.flush(SECONDS_MAX), 0, "not flushed")


def node_status():
    return json.loads(subprocess.run([TOOL, "status", "--data", DATA, "-o", "json"], timeout=60,
                                     stdout=subprocess.PIPE, check=True).stdout)


def control_kill():
    """Only of our own broker."""
    if DATA:
        pid = next(entry["pid"] for entry in node_status()["processes"]
                   if "control" in entry["name"])
        os.kill(pid, signal.SIGKILL)


def words_are_counted_exactly_once():
    create_topics()
    want, source = collections.Counter(), random.Random(4)
    with tempfile.TemporaryDirectory(prefix="millrace-streams-") as name:
        folder, reader = pathlib.Path(name), Reader()
        application = Application(folder)
        try:
            send_round(source, want)
            reader.until(want.total() // 2, application, "before the kill")
            send_round(source, want)
            application.kill()
            application = Application(folder)
            reader.until(want.total(), application, "after the kill")
            send_round(source, want)
            control_kill()
            send_round(source, want)
            reader.until(want.total(), application, "without control")
            application.close()
        finally:
            if application.process.poll() is None:
                application.kill()
    for _ in range(3):
        reader.poll()  # Nothing may come behind it.
    equal({word: counts[-1] for word, counts in reader.seen.items()}, dict(want), "the counts")
    for word, counts in reader.seen.items():
        equal(counts, list(range(1, want[word] + 1)), f"{word}: each count is told once, in order")


def internal_topics_are_as_streams_wants_them():
    topics = AdminClient({"bootstrap.servers": BOOTSTRAP}).list_topics(timeout=SECONDS_MAX).topics
    for name in ("word-count-counts-repartition", "word-count-counts-changelog"):
        equal(len(topics[name].partitions), PARTITIONS, name)


def lag_is_shown_under_the_exporters_names():
    if not DATA:
        return  # Kafka has no such page.
    url = f"http://{node_status()['http']}/metrics"
    line = 'kafka_consumergroup_lag_sum{consumergroup="word-count",topic="lines"} 0'
    end = time.monotonic() + SECONDS_MAX
    while True:
        with urllib.request.urlopen(url, timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        if line in lines:
            break
        assert time.monotonic() < end, [row for row in lines if "consumergroup" in row]
        time.sleep(0.5)
    assert f'kafka_topic_partitions{{topic="lines"}} {PARTITIONS}' in lines


if __name__ == "__main__":
    tap = Tap()
    tap.check("words are counted exactly once", words_are_counted_exactly_once)
    tap.check("internal topics are as Streams wants them",
              internal_topics_are_as_streams_wants_them)
    tap.check("lag is shown under kafka_exporter's names", lag_is_shown_under_the_exporters_names)
    sys.exit(tap.done())
