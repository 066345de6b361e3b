"""kafka-python: a client with its own protocol code, no library in common with librdkafka."""

import pathlib
import sys
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewPartitions, NewTopic

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[1:3]]
from tap import Tap, equal  # noqa: E402  pylint: disable=wrong-import-position

BOOTSTRAP = sys.argv[1]


def read(topic, partition, count, start=None):
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, enable_auto_commit=False,
                             group_id=None, consumer_timeout_ms=20000)
    place = TopicPartition(topic, partition)
    consumer.assign([place])
    if start is None:
        consumer.seek_to_beginning(place)
    else:
        consumer.seek(place, start)
    got = []
    deadline = time.monotonic() + 90
    while len(got) < count and time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=500).values():
            got.extend(records)
    consumer.close()
    return got


def round_trip(codec):
    topic = f"kp-{codec or 'none'}"
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, compression_type=codec, acks="all",
                             linger_ms=5)
    sent = [producer.send(topic, key=str(i).encode(), value=b"p" * (i % 300), partition=0,
                          headers=[("n", str(i).encode())]) for i in range(1000)]
    producer.flush(60)
    equal([future.get(60).offset for future in sent], list(range(1000)), "offsets")
    producer.close()
    got = read(topic, 0, 1000)
    equal([int(record.key) for record in got], list(range(1000)))
    equal([len(record.value) for record in got], [i % 300 for i in range(1000)])
    equal(list(got[7].headers), [("n", b"7")])


def admin():
    client = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    client.create_topics([NewTopic("kp-admin", 2, 1)])
    assert "kp-admin" in client.list_topics()
    client.create_partitions({"kp-admin": NewPartitions(4)})
    deadline = time.monotonic() + 60
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP)
    while len(consumer.partitions_for_topic("kp-admin") or ()) != 4:
        assert time.monotonic() < deadline, "not grown"
        time.sleep(0.2)
        consumer.topics()
    consumer.close()
    client.delete_topics(["kp-admin"])
    deadline = time.monotonic() + 60
    while "kp-admin" in client.list_topics():
        assert time.monotonic() < deadline, "not deleted"
    client.close()


def offsets_by_time():
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    for i in range(10):
        producer.send("kp-time", value=b"x", partition=0, timestamp_ms=1_700_000_000_000 + i * 10)
    producer.flush(30)
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP)
    place = TopicPartition("kp-time", 0)
    found = consumer.offsets_for_times({place: 1_700_000_000_045})[place]
    equal((found.offset, found.timestamp), (5, 1_700_000_000_050))
    equal(consumer.beginning_offsets([place])[place], 0)
    equal(consumer.end_offsets([place])[place], 10)
    consumer.close()


def idempotent():
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, enable_idempotence=True)
    for i in range(500):
        producer.send("kp-idem", value=str(i).encode(), partition=0)
    producer.flush(60)
    producer.close()
    equal([int(record.value) for record in read("kp-idem", 0, 500)], list(range(500)))


def subscribing():
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    for i in range(90):
        producer.send("kp-group", value=str(i).encode(), partition=0)
    producer.flush(60)
    producer.close()
    got = []
    for part in range(3):
        consumer = KafkaConsumer("kp-group", bootstrap_servers=BOOTSTRAP, group_id="kp-readers",
                                 auto_offset_reset="earliest", enable_auto_commit=False)
        deadline = time.monotonic() + 90
        while len(got) < 30 * (part + 1) and time.monotonic() < deadline:
            for records in consumer.poll(timeout_ms=500, max_records=30).values():
                got.extend(int(record.value) for record in records)
        consumer.commit()
        equal(consumer.committed(TopicPartition("kp-group", 0)), 30 * (part + 1), "committed")
        consumer.close(autocommit=False)
    equal(got, list(range(90)), "records of all readers")


def main():
    tap = Tap()
    for codec in (None, "gzip"):
        tap.check(f"kafka-python round trip, codec {codec}", round_trip, codec)
    tap.check("admin: create, grow, delete", admin)
    tap.check("offsets by time", offsets_by_time)
    tap.check("idempotent producer", idempotent)
    tap.check("subscribing and committing", subscribing)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
