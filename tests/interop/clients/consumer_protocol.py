#!/usr/bin/env python3
"""The consumer protocol (KIP-848): a current librdkafka, and Kafka's own consumer and tools."""

import pathlib
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[1:3]]
from kafka_jvm import Tools  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal  # noqa: E402  pylint: disable=wrong-import-position

BOOTSTRAP = sys.argv[1]
tool = Tools(BOOTSTRAP).run
ADMIN = AdminClient({"bootstrap.servers": BOOTSTRAP})
SECONDS_MAX = 90  # For whatever has to come about; a loaded machine is slow.


def create(topic, partitions):
    for future in ADMIN.create_topics([NewTopic(topic, partitions, 1)]).values():
        future.result(SECONDS_MAX)


def send(topic, partitions, first, count):
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    for i in range(first, first + count):
        producer.produce(topic, str(i).encode(), partition=i % partitions)
    equal(producer.flush(SECONDS_MAX), 0, "not flushed")


class Member:
    """A consumer, what it has, and what it read."""

    def __init__(self, group, topics, **extra):
        self.read = []
        self.consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group,
                                  "group.protocol": "consumer", "auto.offset.reset": "earliest",
                                  "enable.auto.commit": False,
                                  **{key.replace("_", "."): value
                                     for key, value in extra.items()}})
        self.consumer.subscribe(topics)

    def has(self):
        return {(place.topic, place.partition) for place in self.consumer.assignment()}

    def poll(self):
        for message in self.consumer.consume(100, 0.1):
            if message.error():
                raise KafkaException(message.error())
            self.read.append(int(message.value()))

    def commit(self):
        self.consumer.commit(asynchronous=False)

    def close(self):
        self.consumer.close()


def until(members, done, what):
    end = time.monotonic() + SECONDS_MAX
    while not done():
        assert time.monotonic() < end, \
            f"{what}: {[(member.has(), len(member.read)) for member in members]}"
        for member in members:
            member.poll()


def shared(members, partitions):
    """All is given out, and nothing twice."""
    sets = [member.has() for member in members]
    return all(sets) and sum(map(len, sets)) == partitions == len(set().union(*sets))


def members_come_and_go():
    create("cp-share", 6)
    send("cp-share", 6, 0, 600)
    members = [Member("cp-share", ["cp-share"])]
    until(members, lambda: shared(members, 6), "one member")
    until(members, lambda: len(members[0].read) == 600, "everything is read")
    members[0].commit()
    members += [Member("cp-share", ["cp-share"]) for _ in range(2)]
    until(members, lambda: shared(members, 6), "three members")
    equal(sorted(len(member.has()) for member in members), [2, 2, 2])
    send("cp-share", 6, 600, 600)
    until(members, lambda: sum(len(m.read) for m in members) >= 1200, "the rest is read")
    equal(sorted(value for member in members for value in member.read), list(range(1200)),
          "each once")
    for member in members:
        member.commit()
    members.pop().close()
    until(members, lambda: shared(members, 6), "two members")
    for member in members:
        member.close()
    later = [Member("cp-share", ["cp-share"])]
    until(later, lambda: shared(later, 6), "a later one")
    send("cp-share", 6, 1200, 6)
    until(later, lambda: len(later[0].read) >= 6, "what is new")
    equal(sorted(later[0].read), list(range(1200, 1206)), "from where the others were")
    later[0].close()


def expressions_find_topics():
    create("cp-regex-1", 2)
    members = [Member("cp-regex", ["^cp-regex-.*"])]
    until(members, lambda: shared(members, 2), "one topic")
    create("cp-regex-2", 1)
    until(members, lambda: shared(members, 3), "a topic that came later")
    members[0].close()


def static_members_keep_what_they_have():
    create("cp-static", 4)
    members = [Member("cp-static", ["cp-static"], group_instance_id=f"i{i}") for i in range(2)]
    until(members, lambda: shared(members, 4), "two members")
    had = members[0].has()
    members[0].close()
    members[0] = Member("cp-static", ["cp-static"], group_instance_id="i0")
    until(members, lambda: shared(members, 4), "it is back")
    equal(members[0].has(), had, "what it has")
    for member in members:
        member.close()


def groups_are_told():
    create("cp-told", 2)
    members = [Member("cp-told", ["cp-told"])]
    until(members, lambda: shared(members, 2), "a member")
    listed = {group.group_id: (group.type.name, group.state.name)
              for group in ADMIN.list_consumer_groups().result(SECONDS_MAX).valid}
    equal(listed["cp-told"], ("CONSUMER", "STABLE"))
    group = ADMIN.describe_consumer_groups(["cp-told"])["cp-told"].result(SECONDS_MAX)
    equal([{(place.topic, place.partition) for place in member.assignment.topic_partitions}
           for member in group.members], [{("cp-told", 0), ("cp-told", 1)}])
    text = tool("consumer-groups", "--describe",
                "--group", "cp-told", "--state")
    assert "uniform" in text and "Stable" in text, text
    members[0].close()
    ADMIN.delete_consumer_groups(["cp-told"])["cp-told"].result(SECONDS_MAX)


def kafkas_own_consumer():
    create("cp-java", 3)
    send("cp-java", 3, 0, 300)
    arguments = ("--topic", "cp-java", "--group", "cp-java", "--from-beginning",
                 "--consumer-property", "group.protocol=consumer", "--max-messages", "300",
                 "--timeout-ms", str(SECONDS_MAX * 1000))
    text = tool("console-consumer", *arguments)
    equal(sorted(int(line) for line in text.splitlines() if line.isdigit()), list(range(300)))
    text = tool("consumer-groups", "--describe",
                "--group", "cp-java")
    lags = [line.split()[5] for line in text.splitlines() if line.startswith("cp-java")]
    equal(lags, ["0", "0", "0"], text)


def the_feature_is_finalised():
    text = tool("features", "describe")
    line = next(line for line in text.splitlines() if "group.version" in line)
    assert "FinalizedVersionLevel: 1" in line, text


if __name__ == "__main__":
    tap = Tap()
    tap.check("members come and go", members_come_and_go)
    tap.check("expressions find topics", expressions_find_topics)
    tap.check("static members keep what they have", static_members_keep_what_they_have)
    tap.check("groups are told", groups_are_told)
    tap.check("Kafka's own consumer", kafkas_own_consumer)
    tap.check("the feature is finalised", the_feature_is_finalised)
    sys.exit(tap.done())
