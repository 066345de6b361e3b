#!/usr/bin/env python3
"""Burrow reads __consumer_offsets: what groups commit, who has what, and that a group is gone."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[1:3]]
from ports import free_port  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal  # noqa: E402  pylint: disable=wrong-import-position
# pylint: disable-next=wrong-import-position
from watched import PARTITIONS, RECORDS, SECONDS_MAX, Watched, fetch, until  # noqa: E402

BOOTSTRAP = sys.argv[1]
SETTINGS = """
[general]
pidfile="{folder}/burrow.pid"
[logging]
level="debug"
[client-profile.ours]
client-id="burrow"
kafka-version="2.0.0"
[cluster.local]
class-name="kafka"
servers=["{bootstrap}"]
client-profile="ours"
topic-refresh=1
offset-refresh=1
[consumer.local]
class-name="kafka"
cluster="local"
servers=["{bootstrap}"]
client-profile="ours"
[httpserver.default]
address="127.0.0.1:{port}"
[storage.default]
class-name="inmemory"
workers=2
intervals=10
expire-group=604800
min-distance=0
"""


class Burrow:
    def __init__(self, folder):
        port = free_port()
        (folder / "burrow.toml").write_text(
            SETTINGS.format(folder=folder, bootstrap=BOOTSTRAP, port=port), encoding="utf-8")
        self.url = f"http://127.0.0.1:{port}/v3/kafka/local"
        self.log_path = folder / "burrow.log"
        with open(self.log_path, "wb") as log:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(
                [os.environ["MILLRACE_TEST_PROGRAM"], "--config-dir", str(folder)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ask(self, path):
        text = fetch(self.url + path)
        return None if text is None else json.loads(text)

    def offsets(self, group):
        """{(topic, partition): (the last offset that was committed, lag)}; None: none yet."""
        told = self.ask(f"/consumer/{group}")
        return None if told is None else {
            (topic, i): (partition["offsets"][-1]["offset"], partition["current-lag"])
            for topic, partitions in told["topics"].items()
            for i, partition in enumerate(partitions) if partition["offsets"] and
            partition["offsets"][-1]}

    def refused(self):
        """What it says it could not read, but for records that it does not know."""
        lines = [json.loads(line) for line in self.log_path.read_text().splitlines()
                 if line.startswith("{")]
        return [line for line in lines if line["msg"] == "failed to decode" and
                line["reason"] != "key version"]

    def until_offsets(self, group, want):
        until(lambda: True if self.offsets(group) == want else None,
              lambda: f"{group}: {self.offsets(group)}, want {want}")


def what_is_committed_is_read(burrow, _):
    for group in ("watch-classic", "watch-consumer"):
        burrow.until_offsets(group, {("watched", i): (RECORDS, 0) for i in range(PARTITIONS)})
    burrow.until_offsets("watch-all", {("watched", 0): (10, 0), ("watched", 1): (4, 6),
                                       ("watched", 2): (0, 10), ("watched.a_b-c", 0): (0, 0)})
    topics = until(lambda: (burrow.ask("/topic") or {}).get("topics"), lambda: "no topics")
    want = {"watched", "watched.a_b-c", "watched-empty", "__consumer_offsets"}
    assert want <= set(topics), topics
    equal(burrow.ask("/topic/watched")["offsets"], [RECORDS] * PARTITIONS, "ends")


def later_commits_are_followed(burrow, watched):
    watched.send(5)
    for number, (group, member) in enumerate(watched.members.items()):
        places = [TopicPartition("watched", i, RECORDS + number + i) for i in range(PARTITIONS)]
        member.commit(offsets=places, asynchronous=False)
        burrow.until_offsets(group, {("watched", i): (RECORDS + number + i, 5 - number - i)
                                     for i in range(PARTITIONS)})


def owners_are_known(burrow, _):
    """Only of the classic protocol: it does not know the other's records."""
    def owners():
        told = burrow.ask("/consumer/watch-classic") or {"topics": {"watched": []}}
        return [(partition["owner"] != "", partition["client_id"])
                for partition in told["topics"]["watched"]]
    until(lambda: True if owners() == [(True, "rdkafka")] * PARTITIONS else None,
          lambda: str(owners()))


def a_group_that_goes_is_forgotten(burrow, watched):
    watched.close()
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    for future in admin.delete_consumer_groups(["watch-classic"]).values():
        future.result(SECONDS_MAX)
    until(lambda: True if "watch-classic" not in burrow.ask("/consumer")["consumers"] else None,
          lambda: "it is still there")


def main():
    tap, watched = Tap(), Watched(BOOTSTRAP)
    with tempfile.TemporaryDirectory(prefix="millrace-burrow-") as name:
        burrow = Burrow(pathlib.Path(name))
        try:
            for check in (what_is_committed_is_read, later_commits_are_followed, owners_are_known,
                          a_group_that_goes_is_forgotten):
                tap.check(check.__name__, check, burrow, watched)
            tap.faults("every record that it knows is read", burrow.refused())
        finally:
            burrow.process.terminate()
            burrow.process.wait(SECONDS_MAX)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
