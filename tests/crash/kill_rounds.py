#!/usr/bin/env python3
"""kill -9 under load, again and again: no acked record lost, none twice, order kept.

Two idempotent producers, librdkafka and Java's, write numbered records to several partitions while
the dataplane, the control process, or both are killed with requests in flight. Every round prints
what was acked and what was in flight at the kill; a kill with nothing in flight is not counted. At
the end every partition is read whole and compared with what was acked.

    kill_rounds.py --build build --rounds 50 [--seed N]
"""

import argparse
import json
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(1, str(HERE.parent / "interop"))
sys.path.insert(2, str(HERE.parent))
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import pins  # noqa: E402  pylint: disable=wrong-import-position
import clients_venv  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal, skip_all  # noqa: E402  pylint: disable=wrong-import-position

clients_venv.need_clients()
import confluent_kafka  # noqa: E402  pylint: disable=wrong-import-position
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402

PARTITIONS = 6
ROUND_SECONDS_MAX = 60


class RdkafkaLoad:
    """An idempotent librdkafka producer that never stops; knows what was acked."""

    topic = "kill-rdkafka"

    def __init__(self, bootstrap):
        self.acked = [set() for _ in range(PARTITIONS)]
        self.sent = 0
        self.acked_count = 0
        self.failures = []
        self.stopping = False
        self.producer = confluent_kafka.Producer({
            "bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 1,
            "reconnect.backoff.max.ms": 200, "retry.backoff.ms": 50,
            "message.timeout.ms": 120000, "queue.buffering.max.messages": 20000,
            "socket.timeout.ms": 10000})
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _delivered(self, error, message):
        if error is not None:
            self.failures.append(str(error))
            return
        self.acked[message.partition()].add(int(message.value()))
        self.acked_count += 1

    def _run(self):
        while not self.stopping:
            if len(self.producer) > 5000:
                self.producer.poll(0.02)
                continue
            for _ in range(100):
                self.producer.produce(self.topic, value=str(self.sent),
                                      partition=self.sent % PARTITIONS,
                                      on_delivery=self._delivered)
                self.sent += 1
            self.producer.poll(0.002)

    def in_flight(self):
        return len(self.producer)

    def stop(self):
        self.stopping = True
        self.thread.join()
        equal(self.producer.flush(120), 0, "not delivered")


class JavaLoad:
    """Kafka's VerifiableProducer (idempotent by default); its acks come as JSON lines."""

    topic = "kill-java"

    def __init__(self, bootstrap, classpath, folder):
        self.acked = [set() for _ in range(PARTITIONS)]
        self.acked_count = 0
        self.failures = []
        config = pathlib.Path(folder) / "java-producer.properties"
        config.write_text("enable.idempotence=true\nretries=2147483647\n"
                          "delivery.timeout.ms=120000\n"
                          "request.timeout.ms=10000\nlinger.ms=0\nreconnect.backoff.max.ms=200\n"
                          "max.in.flight.requests.per.connection=5\n", encoding="utf-8")
        self.process = subprocess.Popen(
            ["java", "-Xmx256m", "-XX:+UseSerialGC", "-cp", classpath,
             "org.apache.kafka.tools.VerifiableProducer", "--bootstrap-server", bootstrap,
             "--topic", self.topic, "--acks", "-1", "--throughput", "3000",
             "--max-messages", "-1", "--command-config", str(config)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event.get("name") == "producer_send_success":
                self.acked[event["partition"]].add(int(event["value"]))
                self.acked_count += 1
            elif event.get("name") == "producer_send_error":
                self.failures.append(line)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(130)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.thread.join()


def read_back(bootstrap, topic):
    """Every value of every partition, in order."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": "check",
                                         "enable.auto.commit": False, "check.crcs": True})
    values = []
    for partition in range(PARTITIONS):
        place = confluent_kafka.TopicPartition(topic, partition)
        _, end = consumer.get_watermark_offsets(place, timeout=30)
        consumer.assign([confluent_kafka.TopicPartition(topic, partition, 0)])
        got, deadline = [], time.monotonic() + 60
        while (not got or got[-1][0] < end - 1) and end > 0:
            assert time.monotonic() < deadline, f"{topic}-{partition}: {len(got)} of {end}"
            for message in consumer.consume(1000, 0.5):
                assert message.error() is None, message.error()
                got.append((message.offset(), int(message.value())))
        equal([offset for offset, _ in got], list(range(len(got))), f"{topic}-{partition} offsets")
        values.append([value for _, value in got])
    consumer.close()
    return values


def check(load, values):
    for partition in range(PARTITIONS):
        mine = values[partition]
        missing = load.acked[partition] - set(mine)
        assert not missing, f"{load.topic}-{partition}: acked and lost: {sorted(missing)[:10]}"
        assert len(set(mine)) == len(mine), f"{load.topic}-{partition}: records twice"
        assert mine == sorted(mine), f"{load.topic}-{partition}: order broken"
    equal(load.failures, [], "failed deliveries")


def wait_for_acks(load, more):
    want, deadline = load.acked_count + more, time.monotonic() + ROUND_SECONDS_MAX
    while load.acked_count < want:
        assert time.monotonic() < deadline, f"no acks: {load.acked_count} of {want}"
        time.sleep(0.002)


def kill(broker, target):
    for process in ("dataplane", "control") if target == "both" else (target,):
        broker.kill(process)


def rounds(broker, loads, count, chance):
    counted, round_number = 0, 0
    while counted < count:
        assert round_number < count * 3, "most kills had nothing in flight"
        round_number += 1
        target = chance.choice(["dataplane", "dataplane", "dataplane", "both", "control"])
        for load in loads:
            wait_for_acks(load, chance.randrange(1, 400))
        time.sleep(chance.random() * 0.05)
        acked = [load.acked_count for load in loads]
        in_flight = loads[0].in_flight()
        kill(broker, target)
        counted += 1 if in_flight > 0 else 0
        print(f"# round {counted}: killed {target}, acked {acked}, in flight {in_flight}",
              flush=True)
    for load in loads:
        wait_for_acks(load, 1000)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tap, chance = Tap(), random.Random(options.seed)
    try:
        classpath = pins.maven_classpath("kafka")
    except pins.Unavailable as absent:
        skip_all(str(absent))
    with brokers.Millrace(options.build) as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        for future in admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in
                                           (RdkafkaLoad.topic, JavaLoad.topic)]).values():
            future.result(30)
        loads = [RdkafkaLoad(broker.bootstrap),
                 JavaLoad(broker.bootstrap, classpath, broker.folder)]
        survived = tap.check(f"{options.rounds} rounds of kill -9, seed {options.seed}", rounds,
                             broker, loads, options.rounds, chance)
        for load in loads:
            tap.check(f"{load.topic}: the producer ends well", load.stop)
        for load in loads if survived else ():
            tap.check(f"{load.topic}: nothing lost, twice or out of order",
                      lambda one: check(one, read_back(broker.bootstrap, one.topic)), load)
            print(f"# {load.topic}: {load.acked_count} acked", flush=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
