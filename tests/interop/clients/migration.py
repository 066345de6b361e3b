#!/usr/bin/env python3
"""A group goes from the classic protocol to the consumer protocol and back, member by member.

Consumers of librdkafka and of Kafka read together while somebody writes. Every record is read, none
twice; in the end all offsets are committed.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from confluent_kafka import (Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException,
                             Producer)
from confluent_kafka.admin import AdminClient, NewTopic

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[1:3]]
from kafka_jvm import CLASSES, command  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal  # noqa: E402  pylint: disable=wrong-import-position

BOOTSTRAP = sys.argv[1]
ADMIN = AdminClient({"bootstrap.servers": BOOTSTRAP})
PARTITIONS = 6
SECONDS_MAX = 120  # For whatever has to come about; a loaded machine is slow.


class Writer:
    """Writes numbers until it is told to end."""

    def __init__(self, topic):
        self.topic, self.count, self.ends = topic, 0, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        producer = Producer({"bootstrap.servers": BOOTSTRAP})
        while not self.ends.wait(0.01):
            producer.produce(self.topic, str(self.count).encode(),
                             partition=self.count % PARTITIONS)
            self.count += 1
            producer.poll(0)
        equal(producer.flush(SECONDS_MAX), 0, "not flushed")

    def end(self):
        self.ends.set()
        self.thread.join()


class OfLibrdkafka:
    """A member that commits what it has read before it gives a partition up."""

    def __init__(self, group, topic, protocol, assignor="range"):
        self.read = []
        self.closing = False
        extra = {"session.timeout.ms": 30000, "heartbeat.interval.ms": 500,
                 "partition.assignment.strategy": assignor} if protocol == "classic" else {}
        self.consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group,
                                  "group.protocol": protocol, "auto.offset.reset": "earliest",
                                  "enable.auto.commit": False, **extra})
        self.consumer.subscribe([topic], on_revoke=self.give_up)

    def give_up(self, _consumer, _places):
        if not self.closing:
            self.commit()

    def commit(self):
        """False: not while the group comes together."""
        try:
            self.consumer.commit(asynchronous=False)
        except KafkaException as error:
            code = error.args[0].code()
            if code in (KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION,
                        KafkaError.STALE_MEMBER_EPOCH):
                return False
            if code != KafkaError._NO_OFFSET:  # pylint: disable=protected-access
                raise
        return True

    def settle(self):
        until([self], self.commit, "a commit")

    def poll(self):
        for message in self.consumer.consume(100, 0.05):
            if message.error():
                # What a join hears that waits when the group goes over; librdkafka joins again.
                if message.error().code() != KafkaError.REBALANCE_IN_PROGRESS:
                    raise KafkaException(message.error())
                continue
            self.read.append(int(message.value()))

    def close(self):
        """What it has read is committed before: librdkafka, told to join while it closes, gives
        its partitions up without a commit."""
        self.settle()
        self.closing = True
        self.consumer.close()


class OfKafka:
    """Kafka's console consumer, as a process of its own."""

    started = []

    def __init__(self, group, topic, protocol):
        # pylint: disable-next=consider-using-with
        self.out = tempfile.TemporaryFile()
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(
            [*command(), CLASSES["console-consumer"], "--bootstrap-server", BOOTSTRAP, "--topic",
             topic, "--group", group, "--from-beginning", "--consumer-property",
             f"group.protocol={protocol}"], stdin=subprocess.DEVNULL, stdout=self.out)
        self.started.append(self.process)

    def poll(self):
        assert self.process.poll() is None, "Kafka's consumer ended"

    def settle(self):
        """It commits by itself when it closes."""

    @property
    def read(self):
        """Without a seek: the process would go on writing from there."""
        out = os.pread(self.out.fileno(), os.fstat(self.out.fileno()).st_size, 0)
        return [int(line) for line in out[:out.rfind(b"\n") + 1].splitlines()
                if line.isdigit()]

    def close(self):
        self.process.terminate()
        self.process.wait(SECONDS_MAX)


def until(members, done, what):
    end = time.monotonic() + SECONDS_MAX
    while not done():
        assert time.monotonic() < end, f"{what}: {[len(member.read) for member in members]}"
        for member in members:
            member.poll()


def state_of(group):
    for one in ADMIN.list_consumer_groups().result(SECONDS_MAX).valid:
        if one.group_id == group:
            return one.type.name, one.state.name
    return None


def settled(group, kind, count):
    if state_of(group) != (kind, "STABLE"):
        return False
    told = ADMIN.describe_consumer_groups([group])[group].result(SECONDS_MAX)
    parts = [len(member.assignment.topic_partitions) for member in told.members]
    return len(parts) == count and sum(parts) == PARTITIONS and min(parts) > 0


def all_is_read(members, gone, topic):
    return sum(len(member.read) for member in members + gone) >= topic.count


def whereabouts(name, members, gone, topic):
    """Who has read what, and what nobody has: per partition, beside the offset committed."""
    read = [set(member.read) for member in members + gone]
    committed = ADMIN.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(name)])[name].result(SECONDS_MAX).topic_partitions
    told = ADMIN.describe_consumer_groups([name])[name].result(SECONDS_MAX)
    print(f"# {state_of(name)}, {topic.count} written, members (gone ones last): "
          f"{[len(one) for one in read]}", *(f"# {member.member_id}: {member.assignment}"
                                            for member in told.members), sep="\n")
    for place in sorted(committed, key=lambda place: place.partition):
        missing = [offset for offset, value in
                   enumerate(range(place.partition, topic.count, PARTITIONS))
                   if not any(value in one for one in read)]
        print(f"# partition {place.partition}: committed {place.offset}, not read {missing}")


def roll(name, classic, consumer):
    """Three classic members, each replaced by one of the consumer protocol, and back."""
    for future in ADMIN.create_topics([NewTopic(name, PARTITIONS, 1)]).values():
        future.result(SECONDS_MAX)
    writer, gone = Writer(name), []
    members = [classic() for _ in range(3)]
    until(members, lambda: settled(name, "CLASSIC", 3), "three classic members")
    for make in (consumer, classic):
        for step in range(3):
            old = members.pop(0)
            old.close()
            gone.append(old)
            members.append(make())
            # The last of the consumer protocol has left when there are classic ones only.
            kind = "CLASSIC" if make is classic and step == 2 else "CONSUMER"
            until(members, lambda kind=kind: settled(name, kind, 3), f"step {step} to {kind}")
    writer.end()
    try:
        until(members, lambda: all_is_read(members, gone, writer), "everything is read")
    except AssertionError:
        whereabouts(name, members, gone, writer)
        raise
    for member in members:
        member.settle()
    for member in members:
        member.close()
    equal(sorted(value for member in members + gone for value in member.read),
          list(range(writer.count)), "each once")
    offsets = ADMIN.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(name)])[name].result(SECONDS_MAX).topic_partitions
    equal(sum(place.offset for place in offsets), writer.count, "committed")


def librdkafka(assignor):
    name = f"roll-{assignor}"
    roll(name, lambda: OfLibrdkafka(name, name, "classic", assignor),
         lambda: OfLibrdkafka(name, name, "consumer"))


def kafkas_own():
    roll("roll-kafka", lambda: OfKafka("roll-kafka", "roll-kafka", "classic"),
         lambda: OfKafka("roll-kafka", "roll-kafka", "consumer"))


def of_both_kinds():
    makers = [lambda protocol: OfKafka("roll-both", "roll-both", protocol),
              lambda protocol: OfLibrdkafka("roll-both", "roll-both", protocol)]
    turn = iter(range(1000))
    roll("roll-both", lambda: makers[next(turn) % 2]("classic"),
         lambda: makers[next(turn) % 2]("consumer"))


if __name__ == "__main__":
    tap = Tap()
    tap.check("librdkafka, range", lambda: librdkafka("range"))
    tap.check("librdkafka, cooperative-sticky", lambda: librdkafka("cooperative-sticky"))
    tap.check("Kafka's own consumers", kafkas_own)
    tap.check("librdkafka and Kafka's", of_both_kinds)
    for left in OfKafka.started:  # Of what has failed.
        left.kill()
    sys.exit(tap.done())
