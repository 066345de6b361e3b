"""A current librdkafka through confluent-kafka-python: idempotence, admin, lookups,
transactions."""

import pathlib
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka import OFFSET_BEGINNING, ConsumerGroupTopicPartitions  # noqa: F401
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource,
                                   NewPartitions, NewTopic, OffsetSpec, ResourceType)

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[1:3]]
from tap import Tap, equal  # noqa: E402  pylint: disable=wrong-import-position

BOOTSTRAP = sys.argv[1]
ADMIN = AdminClient({"bootstrap.servers": BOOTSTRAP})


def create(topic, partitions=1, config=None):
    for future in ADMIN.create_topics([NewTopic(topic, partitions, 1, config=config or {})]
                                      ).values():
        future.result(30)


def producer(**extra):
    return Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 5,
                     **{key.replace("_", "."): value for key, value in extra.items()}})


def send_all(client, topic, count, partitions, size=100):
    failures = []

    def delivered(error, _message):
        if error is not None:
            failures.append(str(error))
    for i in range(count):
        while True:
            try:
                client.produce(topic, key=str(i), value=b"v" * (i % size) + str(i).encode(),
                               partition=i % partitions, on_delivery=delivered)
                break
            except BufferError:
                client.poll(0.05)
        client.poll(0)
    equal(client.flush(60), 0, "not flushed")
    equal(failures, [], "failures")


def read_all(topic, partitions, count, **extra):
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "unused",
                         "enable.auto.commit": False,
                         **{key.replace("_", "."): value for key, value in extra.items()}})
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
    got, deadline = [], time.monotonic() + 60
    while len(got) < count and time.monotonic() < deadline:
        for message in consumer.consume(500, 1.0):
            if message.error():
                raise KafkaException(message.error())
            got.append(message)
    consumer.close()
    return got


def idempotent_on_partitions(codec):
    topic = f"conf-idem-{codec}"
    create(topic, 4)
    send_all(producer(enable_idempotence=True, compression_type=codec), topic, 8000, 4)
    got = read_all(topic, 4, 8000)
    equal(len(got), 8000, "count")
    for partition in range(4):
        mine = [m for m in got if m.partition() == partition]
        equal([m.offset() for m in mine], list(range(2000)), "offsets")
        equal([int(m.key()) for m in mine], list(range(partition, 8000, 4)), "order")


def recompressed():
    """compression.type of the topic, another codec of the producer."""
    for target, codec in (("uncompressed", "zstd"), ("gzip", "lz4"), ("snappy", "none"),
                          ("lz4", "gzip"), ("zstd", "snappy")):
        topic = f"conf-{target}"
        create(topic, 1, {"compression.type": target})
        send_all(producer(enable_idempotence=True, compression_type=codec), topic, 1000, 1)
        got = read_all(topic, 1, 1000)
        equal([int(m.key()) for m in got], list(range(1000)), topic)


def headers_nulls_timestamps():
    create("conf-head")
    client = producer()
    client.produce("conf-head", key=None, value=None, headers=[("a", b"1"), ("a", None)],
                   timestamp=1_700_000_000_123, partition=0)
    equal(client.flush(30), 0)
    message = read_all("conf-head", 1, 1)[0]
    equal((message.key(), message.value()), (None, None))
    equal(message.headers(), [("a", b"1"), ("a", None)])
    equal(message.timestamp(), (1, 1_700_000_000_123))


def log_append_time():
    create("conf-lat", 1, {"message.timestamp.type": "LogAppendTime"})
    before = time.time_ns() // 1_000_000
    client = producer()
    client.produce("conf-lat", value=b"x", timestamp=1_000, partition=0)
    equal(client.flush(30), 0)
    kind, stamp = read_all("conf-lat", 1, 1)[0].timestamp()
    equal(kind, 2, "type")
    assert before - 5 <= stamp <= time.time_ns() // 1_000_000 + 5, stamp


def megabyte():
    create("conf-mb")
    value = bytes(range(256)) * 3900
    client = producer(message_max_bytes=1_100_000)
    client.produce("conf-mb", value=value, partition=0)
    equal(client.flush(30), 0)
    equal(read_all("conf-mb", 1, 1)[0].value(), value)


def lookups():
    create("conf-time")
    client = producer()
    for i in range(100):
        client.produce("conf-time", value=str(i), timestamp=1_700_000_000_000 + i * 1000,
                       partition=0)
    equal(client.flush(30), 0)
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "unused"})
    found = consumer.offsets_for_times([TopicPartition("conf-time", 0, 1_700_000_049_500)], 30)
    equal(found[0].offset, 50)
    equal(consumer.get_watermark_offsets(TopicPartition("conf-time", 0), timeout=30), (0, 100))
    consumer.close()
    for spec, want in ((OffsetSpec.earliest(), 0), (OffsetSpec.latest(), 100),
                       (OffsetSpec.max_timestamp(), 99),
                       (OffsetSpec.for_timestamp(1_700_000_010_000), 10)):
        answer = ADMIN.list_offsets({TopicPartition("conf-time", 0): spec})
        equal(list(answer.values())[0].result(30).offset, want, str(spec))


def configs():
    create("conf-conf", 1, {"retention.ms": "12345"})
    resource = ConfigResource(ResourceType.TOPIC, "conf-conf")
    seen = ADMIN.describe_configs([resource])[resource].result(30)
    equal(seen["retention.ms"].value, "12345")
    equal(seen["cleanup.policy"].value, "delete")
    change = ConfigResource(ResourceType.TOPIC, "conf-conf", incremental_configs=[
        ConfigEntry("max.message.bytes", "2000000",
                    incremental_operation=AlterConfigOpType.SET),
        ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE)])
    ADMIN.incremental_alter_configs([change])[change].result(30)
    seen = ADMIN.describe_configs([resource])[resource].result(30)
    equal(seen["max.message.bytes"].value, "2000000")
    equal(seen["retention.ms"].value, "604800000")
    bad = ConfigResource(ResourceType.TOPIC, "conf-conf", incremental_configs=[
        ConfigEntry("no.such.key", "1", incremental_operation=AlterConfigOpType.SET)])
    try:
        ADMIN.incremental_alter_configs([bad])[bad].result(30)
        raise AssertionError("an unknown key was taken")
    except KafkaException as error:
        equal(error.args[0].name(), "INVALID_CONFIG")


def grow_and_delete():
    create("conf-grow", 2)
    ADMIN.create_partitions([NewPartitions("conf-grow", 5)])["conf-grow"].result(30)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if len(ADMIN.list_topics("conf-grow", 60).topics["conf-grow"].partitions) == 5:
            break
    send_all(producer(), "conf-grow", 100, 5)
    equal(len(read_all("conf-grow", 5, 100)), 100)
    ADMIN.delete_topics(["conf-grow"])["conf-grow"].result(30)
    deadline = time.monotonic() + 60
    while "conf-grow" in ADMIN.list_topics(timeout=60).topics:
        assert time.monotonic() < deadline, "still listed"
    create("conf-grow", 1)
    equal(read_all("conf-grow", 1, 0), [])
    send_all(producer(), "conf-grow", 10, 1)
    equal([m.offset() for m in read_all("conf-grow", 1, 10)], list(range(10)), "new life")


def create_errors():
    create("conf-dup")
    for topic, name in ((NewTopic("conf-dup", 1, 1), "TOPIC_ALREADY_EXISTS"),
                        (NewTopic("bad name", 1, 1), "TOPIC_EXCEPTION"),
                        (NewTopic("conf-rf", 1, 3), "INVALID_REPLICATION_FACTOR"),
                        (NewTopic("conf-np", 0, 1), "INVALID_PARTITIONS"),
                        (NewTopic("conf-cfg", 1, 1, config={"x.y": "1"}), "INVALID_CONFIG")):
        try:
            list(ADMIN.create_topics([topic]).values())[0].result(30)
            raise AssertionError(f"{name} expected")
        except KafkaException as error:
            equal(error.args[0].name(), name)


def delete_records():
    create("conf-del")
    send_all(producer(), "conf-del", 100, 1)
    answer = ADMIN.delete_records([TopicPartition("conf-del", 0, 40)])
    equal(list(answer.values())[0].result(30).low_watermark, 40)
    equal(read_all("conf-del", 1, 60, auto_offset_reset="earliest")[0].offset(), 40)


def cluster():
    answer = ADMIN.describe_cluster(request_timeout=30).result(30)
    equal(len(answer.nodes), 1)
    assert answer.cluster_id
    from confluent_kafka import TopicCollection
    create("conf-describe", 3)
    topics = ADMIN.describe_topics(TopicCollection(["conf-describe"]))
    equal(len(topics["conf-describe"].result(30).partitions), 3)


def member(group, strategy, instance=None):
    options = {"bootstrap.servers": BOOTSTRAP, "group.id": group, "auto.offset.reset": "earliest",
               "enable.auto.commit": False, "partition.assignment.strategy": strategy,
               "session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
    if instance is not None:
        options["group.instance.id"] = instance
    return Consumer(options)


def poll_until(members, done):
    """What they got, by (partition, offset); a generous wait for a condition."""
    got = {}
    deadline = time.monotonic() + 120
    while not done(got):
        assert time.monotonic() < deadline, (len(got), [one.assignment() for one in members])
        for one in members:
            message = one.poll(0.05)
            if message is not None:
                assert message.error() is None, message.error()
                got[(message.partition(), message.offset())] = message.value()
    return got


def shared(members):
    """All four partitions, each with one of them, and none without any."""
    places = [{place.partition for place in one.assignment()} for one in members]
    return all(places) and sorted(sum((list(place) for place in places), [])) == [0, 1, 2, 3]


def subscribing(strategy):
    topic, group = f"conf-group-{strategy}", f"conf-readers-{strategy}"
    create(topic, 4)
    send_all(producer(), topic, 400, 4)
    first, second = member(group, strategy), member(group, strategy)
    first.subscribe([topic])
    got = poll_until([first], lambda seen: len(seen) == 400)
    equal(len(got), 400)
    first.commit(asynchronous=False)
    second.subscribe([topic])
    poll_until([first, second], lambda _: shared([first, second]))
    second.close()
    poll_until([first], lambda _: len(first.assignment()) == 4)
    first.close()
    again = member(group, strategy)
    again.subscribe([topic])
    poll_until([again], lambda _: len(again.assignment()) == 4)
    committed = again.committed([TopicPartition(topic, i) for i in range(4)], timeout=60)
    equal([place.offset for place in committed], [100] * 4, "committed")
    again.close()


def static_member():
    create("conf-static", 4)
    send_all(producer(), "conf-static", 40, 4)
    one, other = (member("conf-statics", "range", name) for name in ("one", "other"))
    for client in (one, other):
        client.subscribe(["conf-static"])
    poll_until([one, other], lambda _: shared([one, other]))
    mine = sorted(place.partition for place in one.assignment())
    one.close()  # A static member comes back to what it had.
    one = member("conf-statics", "range", "one")
    one.subscribe(["conf-static"])
    poll_until([one, other], lambda _: shared([one, other]))
    equal(sorted(place.partition for place in one.assignment()), mine, "its partitions")
    one.close()
    other.close()


def groups_administered():
    from confluent_kafka import ConsumerGroupTopicPartitions as Places
    listed = ADMIN.list_consumer_groups(request_timeout=30).result(60)
    assert "conf-readers-range" in [group.group_id for group in listed.valid]
    told = ADMIN.describe_consumer_groups(["conf-readers-range"], request_timeout=30)
    equal(told["conf-readers-range"].result(60).state.name, "EMPTY")
    place = TopicPartition("conf-group-range", 2, 7)
    ADMIN.alter_consumer_group_offsets([Places("conf-readers-range", [place])])[
        "conf-readers-range"].result(60)
    told = ADMIN.list_consumer_group_offsets([Places("conf-readers-range")])[
        "conf-readers-range"].result(60)
    equal({place.partition: place.offset for place in told.topic_partitions},
          {0: 100, 1: 100, 2: 7, 3: 100})
    ADMIN.delete_consumer_groups(["conf-readers-range"])["conf-readers-range"].result(60)
    listed = ADMIN.list_consumer_groups(request_timeout=30).result(60)
    assert "conf-readers-range" not in [group.group_id for group in listed.valid]


def transactional(transactional_id, **extra):
    client = producer(transactional_id=transactional_id, **extra)
    client.init_transactions(60)
    return client


def values(topic, partitions, isolation):
    """What a consumer of that isolation level reads up to the end of each partition."""
    client = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "values",
                       "isolation.level": isolation, "enable.auto.commit": False,
                       "enable.partition.eof": True, "auto.offset.reset": "earliest"})
    client.assign([TopicPartition(topic, i, OFFSET_BEGINNING) for i in range(partitions)])
    found, ended, late = [], set(), time.monotonic() + 120
    while len(ended) < partitions:
        assert time.monotonic() < late, "the end does not come"
        message = client.poll(1)
        if message is not None and message.error() is None:
            found.append(message.value().decode())
        elif message is not None:
            ended.add(message.partition())
    client.close()
    return found


def put_in_transaction(client, topic, names, partitions, ends):
    client.begin_transaction()
    for i, name in enumerate(names):
        client.produce(topic, value=name, partition=i % partitions)
    if ends == "commit":
        client.commit_transaction(60)
    else:
        client.flush(60)  # So that there is something to be aborted.
        client.abort_transaction(60)


def transactions_end():
    create("conf-txn", 3)
    client = transactional("conf-txn")
    first = [f"first-{i}" for i in range(50)]
    last = [f"last-{i}" for i in range(50)]
    put_in_transaction(client, "conf-txn", first, 3, "commit")
    put_in_transaction(client, "conf-txn", [f"gone-{i}" for i in range(50)], 3, "abort")
    put_in_transaction(client, "conf-txn", last, 3, "commit")
    equal(sorted(values("conf-txn", 3, "read_committed")), sorted(first + last))
    equal(len(values("conf-txn", 3, "read_uncommitted")), 150)


def transactions_stay_open():
    create("conf-open")
    slow, fast = transactional("conf-slow"), transactional("conf-fast")
    slow.begin_transaction()
    slow.produce("conf-open", value="slow")
    slow.flush(60)
    put_in_transaction(fast, "conf-open", ["fast"], 1, "commit")
    equal(values("conf-open", 1, "read_committed"), [])
    slow.abort_transaction(60)
    equal(values("conf-open", 1, "read_committed"), ["fast"])


def transactions_fence():
    create("conf-fence")
    old = transactional("conf-fenced")
    put_in_transaction(old, "conf-fence", ["before"], 1, "commit")
    new = transactional("conf-fenced")
    try:
        put_in_transaction(old, "conf-fence", ["zombie"], 1, "commit")
    except KafkaException as error:
        assert error.args[0].fatal(), error
    else:
        raise AssertionError("it was not fenced")
    put_in_transaction(new, "conf-fence", ["after"], 1, "commit")
    equal(values("conf-fence", 1, "read_committed"), ["before", "after"])


def transactions_carry_offsets():
    """Consume, transform, produce: an abort takes the offsets back too."""
    create("conf-in", 2)
    create("conf-out", 2)
    send_all(producer(), "conf-in", 100, 2)
    mover = transactional("conf-mover")
    done, aborts, late = 0, 0, time.monotonic() + 180
    while done < 100:
        assert time.monotonic() < late, "the work is not done"
        client = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "conf-movers",
                           "isolation.level": "read_committed", "enable.auto.commit": False,
                           "auto.offset.reset": "earliest"})
        client.subscribe(["conf-in"])
        batch = []
        while len(batch) < min(40, 100 - done):
            assert time.monotonic() < late, "the input does not come"
            batch += [m for m in client.consume(40 - len(batch), 1) if m.error() is None]
        mover.begin_transaction()
        for message in batch:
            mover.produce("conf-out", key=message.key(), value=message.key(),
                           partition=message.partition())
        mover.send_offsets_to_transaction(client.position(client.assignment()),
                                           client.consumer_group_metadata(), 60)
        if aborts < 1:
            aborts += 1
            mover.abort_transaction(60)
        else:
            mover.commit_transaction(60)
            done += len(batch)
        client.close()
    equal(sorted(values("conf-out", 2, "read_committed")), sorted(str(i) for i in range(100)))


def main():
    tap = Tap()
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        tap.check(f"idempotent producer on four partitions, {codec}", idempotent_on_partitions,
                  codec)
    tap.check("topics with a codec of their own", recompressed)
    tap.check("headers, nulls and given timestamps", headers_nulls_timestamps)
    tap.check("LogAppendTime", log_append_time)
    tap.check("a record of a megabyte", megabyte)
    tap.check("ListOffsets: times, special timestamps", lookups)
    tap.check("describe and alter configs", configs)
    tap.check("grow, delete and recreate a topic", grow_and_delete)
    tap.check("errors of CreateTopics", create_errors)
    tap.check("DeleteRecords", delete_records)
    tap.check("DescribeCluster and DescribeTopicPartitions", cluster)
    for strategy in ("range", "cooperative-sticky"):
        tap.check(f"members share a topic and hand it over, {strategy}", subscribing, strategy)
    tap.check("a static member comes back to its partitions", static_member)
    tap.check("groups listed, described, moved, deleted", groups_administered)
    tap.check("transactions: commit and abort", transactions_end)
    tap.check("transactions: nothing is read behind an open one", transactions_stay_open)
    tap.check("transactions: fencing", transactions_fence)
    tap.check("transactions: consume, transform, produce", transactions_carry_offsets)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
