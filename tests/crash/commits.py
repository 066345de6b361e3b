#!/usr/bin/env python3
"""Control and dataplane killed again and again while consumers commit.

Each of two groups commits ever larger offsets; whoever was told that a commit is done finds it, or
a later one, after every death, and never an earlier one.

    commits.py --build build [--rounds 8] [--seed 1]
"""

import argparse
import pathlib
import random
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(1, str(HERE.parent / "interop"))
sys.path.insert(2, str(HERE.parent))
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import clients_venv  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap  # noqa: E402  pylint: disable=wrong-import-position

clients_venv.need_clients()
from confluent_kafka import Consumer, KafkaException, TopicPartition  # noqa: E402
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402

GROUPS = ("one", "two")
SECONDS_MAX = 120


class Group:
    """Commits from outside of any membership, as an administrator or a simple consumer does."""

    def __init__(self, broker, name):
        self.client = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": name,
                                "enable.auto.commit": False, "reconnect.backoff.max.ms": 500})
        self.name, self.told, self.tried = name, -1, -1

    def commit(self):
        """True when it was told to be done; a death on the way says nothing."""
        self.tried += 1
        try:
            self.client.commit(offsets=[TopicPartition("commits", 0, self.tried)],
                               asynchronous=False)
        except KafkaException:
            return False
        self.told = self.tried
        return True

    def look(self):
        """What is committed is not before what was told, nor behind what was tried."""
        end = time.monotonic() + SECONDS_MAX
        while True:
            try:
                found = self.client.committed([TopicPartition("commits", 0)], timeout=10)[0].offset
                break
            except KafkaException as error:
                assert time.monotonic() < end, error
        assert self.told <= max(found, -1) <= self.tried, \
            f"{self.name}: told {self.told}, tried {self.tried}, found {found}"


def rounds(broker, count, seed):
    chance = random.Random(seed)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([NewTopic("commits", 1, 1)])["commits"].result(60)
    groups = [Group(broker, name) for name in GROUPS]
    for number in range(count):
        wanted = [group.told + chance.randrange(5, 60) for group in groups]
        end = time.monotonic() + SECONDS_MAX
        while any(group.told < enough for group, enough in zip(groups, wanted)):
            assert time.monotonic() < end, "commits stand still"
            for group in groups:
                group.commit()
        broker.kill("dataplane" if number % 4 == 3 else "control")
        for group in groups:
            group.commit()
            group.look()
    print(f"# {sum(group.told + 1 for group in groups)} commits, {count} deaths", flush=True)
    for group in groups:
        group.client.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tap = Tap()
    with brokers.Millrace(options.build) as broker:
        tap.check("no commit that was told to be done is lost or goes back", rounds, broker,
                  options.rounds, options.seed)
        if tap.failed:
            print("\n".join(f"# {line}" for line in broker.logs().splitlines()))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
