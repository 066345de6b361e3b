"""aiokafka: asyncio client; produce, assigned consumption, lookups."""

import asyncio
import pathlib
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[1:3]]
from tap import Tap, equal  # noqa: E402  pylint: disable=wrong-import-position

BOOTSTRAP = sys.argv[1]


async def round_trip(topic, **options):
    producer = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, **options)
    await producer.start()
    try:
        for i in range(300):
            await producer.send(topic, value=str(i).encode(), key=b"k", partition=0,
                                headers=[("h", b"1")])
        await producer.flush()
    finally:
        await producer.stop()
    consumer = AIOKafkaConsumer(bootstrap_servers=BOOTSTRAP, enable_auto_commit=False)
    await consumer.start()
    try:
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        got = [await asyncio.wait_for(consumer.getone(), 20) for _ in range(300)]
        equal([int(record.value) for record in got], list(range(300)))
        equal((await consumer.end_offsets([place]))[place], 300)
    finally:
        await consumer.stop()


def run(topic, **options):
    asyncio.run(round_trip(topic, **options))


async def subscribe():
    producer = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP)
    await producer.start()
    for i in range(60):
        await producer.send_and_wait("aio-group", value=str(i).encode(), partition=0)
    await producer.stop()
    got = []
    for _ in range(2):
        consumer = AIOKafkaConsumer("aio-group", bootstrap_servers=BOOTSTRAP,
                                    group_id="aio-readers", auto_offset_reset="earliest",
                                    enable_auto_commit=False)
        await consumer.start()
        try:
            for _ in range(30):
                got.append(int((await asyncio.wait_for(consumer.getone(), 90)).value))
            await consumer.commit({TopicPartition("aio-group", 0): len(got)})
            equal(await consumer.committed(TopicPartition("aio-group", 0)), len(got))
        finally:
            await consumer.stop()
    equal(got, list(range(60)), "records of both readers")


def main():
    tap = Tap()
    tap.check("aiokafka round trip", lambda: run("aio-plain"))
    tap.check("aiokafka gzip, acks all", lambda: run("aio-gzip", compression_type="gzip",
                                                     acks="all"))
    tap.check("aiokafka idempotent", lambda: run("aio-idem", enable_idempotence=True))
    tap.check("aiokafka subscribing and committing", lambda: asyncio.run(subscribe()))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
