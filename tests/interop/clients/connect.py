#!/usr/bin/env python3
"""Kafka Connect in distributed mode: two members, a file source that writes exactly once and a file
sink; one member is killed with -9 and started again."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(path) for path in HERE.parents[0:2]]
from ports import free_port  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal  # noqa: E402  pylint: disable=wrong-import-position

BOOTSTRAP = sys.argv[1]
CLASSPATH = os.environ["MILLRACE_TEST_CLASSPATH"]
SECONDS_MAX = 150  # For whatever has to come about; a loaded machine is slow.
TOPIC = "connect-lines"
SETTINGS = f"""
bootstrap.servers={BOOTSTRAP}
group.id=connect-members
exactly.once.source.support=enabled
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
config.storage.topic=connect-configs
config.storage.replication.factor=1
offset.storage.topic=connect-offsets
offset.storage.replication.factor=1
offset.storage.partitions=3
status.storage.topic=connect-status
status.storage.replication.factor=1
status.storage.partitions=2
offset.flush.interval.ms=500
scheduled.rebalance.max.delay.ms=1000
session.timeout.ms=6000
heartbeat.interval.ms=1000
plugin.discovery=only_scan
"""


class Member:
    def __init__(self, folder, number):
        self.folder, self.number = folder, number
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log_path = folder / f"member{number}.log"
        self.process = None

    def start(self):
        settings = self.folder / f"member{self.number}.properties"
        settings.write_text(SETTINGS + f"listeners={self.url}\n", encoding="utf-8")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
                 CLASSPATH, "org.apache.kafka.connect.cli.ConnectDistributed", str(settings)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def end(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(SECONDS_MAX)

    def ask(self, method, path, body=None):
        """The JSON that it answers; None: it does not, or not yet."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.loads(answer.read())
        except (urllib.error.URLError, TimeoutError, ConnectionError, socket.timeout):
            return None

    def tail(self):
        return self.log_path.read_text(errors="replace")[-3000:]


def until(done, what, members):
    end = time.monotonic() + SECONDS_MAX
    while not done():
        assert time.monotonic() < end, what + "".join(
            f"\n== member {member.number}\n{member.tail()}" for member in members)
        time.sleep(0.2)


def connectors_of(folder):
    return {
        "source": {"connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
                   "file": str(folder / "in.txt"), "topic": TOPIC, "tasks.max": "1"},
        "sink": {"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
                 "file": str(folder / "out.txt"), "topics": TOPIC, "tasks.max": "1",
                 "consumer.override.isolation.level": "read_committed"},
    }


def append(folder, first, count):
    with open(folder / "in.txt", "a", encoding="utf-8") as file:
        file.writelines(f"line {i}\n" for i in range(first, first + count))


def sunk(folder):
    """Its whole lines, each where it came first: a sink may write one again."""
    path = folder / "out.txt"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return list(dict.fromkeys(text[:text.rfind("\n") + 1].splitlines()))


def all_run(member):
    states = [member.ask("GET", f"/connectors/{name}/status") for name in ("source", "sink")]
    return all(state is not None and state["connector"]["state"] == "RUNNING" and
               [task["state"] for task in state["tasks"]] == ["RUNNING"] for state in states)


def committed_lines(count):
    """What stands in the topic for a reader of committed records."""
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "none",
                         "enable.auto.commit": False, "isolation.level": "read_committed",
                         "enable.partition.eof": True})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    lines, end = [], time.monotonic() + SECONDS_MAX
    while time.monotonic() < end:
        for message in consumer.consume(500, 0.5):
            if not message.error():
                lines.append(message.value().decode())
            elif message.error().code() != -191:  # _PARTITION_EOF
                raise KafkaException(message.error())
            elif len(lines) >= count:
                return lines
    raise AssertionError(f"{len(lines)} lines of {count}")


def lines_go_through(folder, members):
    append(folder, 0, 200)
    for member in members:
        member.start()
    for name, settings in connectors_of(folder).items():
        until(lambda n=name, s=settings: any(w.ask("PUT", f"/connectors/{n}/config", s)
                                             for w in members), "no connector", members)
    until(lambda: len(sunk(folder)) >= 200, "before the kill", members)
    equal(sunk(folder), [f"line {i}" for i in range(200)])


def a_killed_member_is_replaced(folder, members):
    append(folder, 200, 200)
    members[0].end(signal.SIGKILL)
    append(folder, 400, 200)
    want = [f"line {i}" for i in range(600)]
    until(lambda: set(want) <= set(sunk(folder)), "after the kill", members)
    until(lambda: all_run(members[1]), "not all runs", members)
    members[0].start()
    until(lambda: all_run(members[0]), "the first is back", members)
    append(folder, 600, 100)
    want = [f"line {i}" for i in range(700)]
    until(lambda: set(want) <= set(sunk(folder)), "with both again", members)
    equal(committed_lines(700), want, "each line once and in order, in the topic")


def its_topics_are_compacted():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    for topic, partitions in (("connect-configs", 1), ("connect-offsets", 3),
                              ("connect-status", 2)):
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        found = admin.describe_configs([resource])[resource].result(SECONDS_MAX)
        equal(found["cleanup.policy"].value, "compact", topic)
        equal(len(admin.list_topics(timeout=SECONDS_MAX).topics[topic].partitions), partitions)


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory(prefix="millrace-connect-") as name:
        folder = pathlib.Path(name)
        members = [Member(folder, number) for number in range(2)]
        try:
            if tap.check("lines go from file to file", lines_go_through, folder, members):
                tap.check("a killed member is replaced", a_killed_member_is_replaced, folder,
                          members)
                tap.check("its topics are compacted", its_topics_are_compacted)
        finally:
            for member in members:
                if member.process is not None:
                    member.end(signal.SIGKILL)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
