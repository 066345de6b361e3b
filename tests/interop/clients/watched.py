"""Topics and groups for programs that watch them."""

import time
import urllib.error
import urllib.request

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

SECONDS_MAX = 120  # For whatever has to come about; a loaded machine is slow.
PARTITIONS, RECORDS = 3, 10  # Of the topic "watched", in each partition.


def fetch(url):
    """The text that it answers; None: it does not, or not yet."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def until(done, what):
    """The first thing that is not None; what() tells of the last one when none comes."""
    end = time.monotonic() + SECONDS_MAX
    while True:
        found = done()
        if found is not None:
            return found
        assert time.monotonic() < end, what()
        time.sleep(0.2)


class Watched:
    """Topics with records, groups that have committed, and two with a member each, one of each
    protocol, which have read everything of "watched"."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        topics = [NewTopic("watched", PARTITIONS, 1), NewTopic("watched.a_b-c", 1, 1),
                  NewTopic("watched-empty", 2, 1)]
        admin = AdminClient({"bootstrap.servers": bootstrap})
        for future in admin.create_topics(topics).values():
            future.result(SECONDS_MAX)
        self.send(RECORDS)
        self.commit("watch-all", {("watched", 0): 10, ("watched", 1): 4, ("watched", 2): 0,
                                  ("watched.a_b-c", 0): 0})
        self.members = {name: self._member(name, protocol) for name, protocol in
                        (("watch-classic", "classic"), ("watch-consumer", "consumer"))}

    def send(self, count):
        producer = Producer({"bootstrap.servers": self.bootstrap})
        for i in range(count * PARTITIONS):
            producer.produce("watched", b"x", partition=i % PARTITIONS)
        assert producer.flush(SECONDS_MAX) == 0, "not flushed"

    def commit(self, group, offsets):
        """Commits of {(topic, partition): offset}, by somebody who is no member."""
        consumer, faults = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group}), []
        places = [TopicPartition(*place, offset) for place, offset in offsets.items()]

        def committed():
            try:
                return consumer.commit(offsets=places, asynchronous=False)
            except KafkaException as error:  # The coordinator may not be there yet.
                faults.append(error)
                return None
        until(committed, lambda: str(faults[-1]))
        consumer.close()

    def _member(self, group, protocol):
        member = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group,
                           "group.protocol": protocol, "enable.auto.commit": False,
                           "auto.offset.reset": "earliest"})
        member.subscribe(["watched"])
        read, end = 0, time.monotonic() + SECONDS_MAX
        while read < RECORDS * PARTITIONS:
            assert time.monotonic() < end, f"{group} has read {read}"
            for message in member.consume(100, 0.5):
                if message.error():
                    raise KafkaException(message.error())
                read += 1
        member.commit(asynchronous=False)
        return member

    def close(self):
        for member in self.members.values():
            member.close()
