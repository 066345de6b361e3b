#!/usr/bin/env python3
"""Apache Kafka 4.2.1's own command line tools, as operators type them."""

import json
import pathlib
import sys
import tempfile

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[1:3]]
from kafka_jvm import Tools  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal  # noqa: E402  pylint: disable=wrong-import-position

BOOTSTRAP = sys.argv[1]
tool = Tools(BOOTSTRAP).run


def needs(text, *parts):
    for part in parts:
        assert part in text, f"{part!r} is not in {text[-1500:]!r}"


def topics():
    tool("topics", "--create", "--topic", "jt-topic", "--partitions", "3", "--config",
         "retention.ms=100000")
    needs(tool("topics", "--list"), "jt-topic")
    needs(tool("topics", "--describe", "--topic", "jt-topic"), "PartitionCount: 3",
          "ReplicationFactor: 1", "retention.ms=100000", "Partition: 2\tLeader: 1")
    needs(tool("topics", "--create", "--topic", "jt-topic", ok=False), "already exists")
    tool("topics", "--create", "--topic", "jt-topic", "--if-not-exists")
    tool("topics", "--alter", "--topic", "jt-topic", "--partitions", "5")
    needs(tool("topics", "--describe", "--topic", "jt-topic"), "PartitionCount: 5")
    tool("topics", "--create", "--topic", "jt-gone")
    tool("topics", "--delete", "--topic", "jt-gone")
    assert "jt-gone" not in tool("topics", "--list")


def configs():
    tool("topics", "--create", "--topic", "jt-conf")
    entity = ("--entity-type", "topics", "--entity-name", "jt-conf")
    tool("configs", *entity, "--alter", "--add-config", "max.message.bytes=123456,segment.ms=9999")
    needs(tool("configs", *entity, "--describe"), "max.message.bytes=123456", "segment.ms=9999")
    needs(tool("configs", *entity, "--describe", "--all"), "cleanup.policy=delete",
          "DEFAULT_CONFIG:log.cleanup.policy=delete")
    tool("configs", *entity, "--alter", "--delete-config", "segment.ms")
    assert "segment.ms=9999" not in tool("configs", *entity, "--describe")
    needs(tool("configs", *entity, "--alter", "--add-config", "no.such=1", ok=False),
          "Unknown topic config name: no.such")
    needs(tool("configs", "--entity-type", "brokers", "--entity-name", "1", "--describe", "--all"),
          "log.retention.hours=168", "num.partitions=1")
    tool("configs", "--entity-type", "brokers", "--entity-default", "--alter", "--add-config",
         "log.retention.ms=7654321")
    needs(tool("configs", *entity, "--describe", "--all"), "retention.ms=7654321",
          "DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=7654321")


def console():
    tool("topics", "--create", "--topic", "jt-console")
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        lines = "".join(f"{codec}{i}\n" for i in range(50))
        tool("console-producer", "--topic", "jt-console", "--compression-codec", codec,
             data=lines.encode())
    out = tool("console-consumer", "--topic", "jt-console", "--partition", "0", "--offset", "0",
               "--max-messages", "250", "--timeout-ms", "90000")
    equal(sorted(out.split()), sorted(f"{codec}{i}" for i in range(50) for codec in
                                      ("none", "gzip", "snappy", "lz4", "zstd")))
    out = tool("console-consumer", "--topic", "jt-console", "--partition", "0", "--offset", "249",
               "--max-messages", "1", "--timeout-ms", "90000")
    equal(len(out.split()), 1)
    needs(tool("get-offsets", "--topic", "jt-console"), "jt-console:0:250")
    needs(tool("get-offsets", "--topic", "jt-console", "--time", "earliest"), "jt-console:0:0")
    needs(tool("get-offsets", "--topic", "jt-console", "--time", "max-timestamp"), "jt-console:0:")


def delete_records():
    tool("topics", "--create", "--topic", "jt-del")
    tool("console-producer", "--topic", "jt-del", data=b"x\n" * 30)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as plan:
        json.dump({"partitions": [{"topic": "jt-del", "partition": 0, "offset": 12}],
                   "version": 1}, plan)
        plan.flush()
        needs(tool("delete-records", "--offset-json-file", plan.name), "low_watermark: 12")
    needs(tool("get-offsets", "--topic", "jt-del", "--time", "earliest"), "jt-del:0:12")


def performance():
    out = tool("producer-perf", "--topic", "jt-perf", "--num-records", "50000", "--record-size",
               "200", "--throughput", "-1", "--producer-props", f"bootstrap.servers={BOOTSTRAP}",
               "acks=all", server=False)
    needs(out, "50000 records sent")
    needs(tool("get-offsets", "--topic", "jt-perf"), "jt-perf:0:50000")


def verifiable():
    out = tool("verifiable-producer", "--topic", "jt-verify", "--max-messages", "2000", "--acks",
               "-1")
    acked = sum(1 for line in out.splitlines() if '"producer_send_success"' in line)
    equal(acked, 2000)
    needs(tool("get-offsets", "--topic", "jt-verify"), "jt-verify:0:2000")


def log_dirs():
    tool("topics", "--create", "--topic", "jt-dirs")
    text = tool("log-dirs", "--describe", "--topic-list", "jt-dirs")
    start = text.index("{")
    report = json.loads(text[start:].splitlines()[0])
    partitions = [entry["partition"] for broker in report["brokers"]
                  for folder in broker["logDirs"] for entry in folder["partitions"]]
    equal(partitions, ["jt-dirs-0"])


def cluster():
    needs(tool("cluster", "cluster-id", "--bootstrap-server", BOOTSTRAP, server=False),
          "Cluster ID:")
    out = tool("broker-api-versions")
    needs(out, "Produce(0): 0 to 13", "Fetch(1): 4 to 18", "Metadata(3): 0 to 13",
          "DescribeTopicPartitions(75): 0")


def elections():
    tool("topics", "--create", "--topic", "jt-elect")
    out = tool("leader-election", "--election-type", "preferred", "--topic", "jt-elect",
               "--partition", "0", ok=False)
    needs(out, "jt-elect-0")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as plan:
        json.dump({"version": 1, "partitions": [{"topic": "jt-elect", "partition": 0,
                                                 "replicas": [1]}]}, plan)
        plan.flush()
        tool("reassign", "--reassignment-json-file", plan.name, "--execute")
        needs(tool("reassign", "--reassignment-json-file", plan.name, "--verify"),
              "Reassignment of partition jt-elect-0 is completed")
    needs(tool("reassign", "--list"), "No partition reassignments found")


def groups():
    tool("topics", "--create", "--topic", "jt-group", "--partitions", "2")
    tool("console-producer", "--topic", "jt-group", data=b"x\n" * 40)
    out = tool("console-consumer", "--topic", "jt-group", "--group", "jt-readers",
               "--from-beginning", "--max-messages", "40", "--timeout-ms", "90000")
    equal(len(out.split()), 40)
    tool("console-producer", "--topic", "jt-group", data=b"y\n" * 5)
    out = tool("console-consumer", "--topic", "jt-group", "--group", "jt-readers",
               "--max-messages", "5", "--timeout-ms", "90000")
    equal(out.split(), ["y"] * 5, "what came since the last reader")
    needs(tool("consumer-groups", "--list"), "jt-readers")
    rows = [line.split() for line in tool("consumer-groups", "--describe", "--group",
                                          "jt-readers").splitlines() if "jt-group" in line]
    equal(sum(int(row[3]) for row in rows), 45, "committed")
    equal([row[5] for row in rows], ["0", "0"], "lag")
    tool("consumer-groups", "--reset-offsets", "--group", "jt-readers", "--topic", "jt-group",
         "--to-earliest", "--execute")
    rows = [line.split() for line in tool("consumer-groups", "--describe", "--group",
                                          "jt-readers").splitlines() if "jt-group" in line]
    equal([row[3] for row in rows], ["0", "0"], "reset")
    tool("consumer-groups", "--delete", "--group", "jt-readers")
    assert "jt-readers" not in tool("consumer-groups", "--list")


def main():
    tap = Tap()
    tap.check("kafka-topics: create, list, describe, alter, delete", topics)
    tap.check("kafka-configs: topics and brokers, sources, unknown keys", configs)
    tap.check("console producer with every codec, console consumer by offset, get-offsets",
              console)
    tap.check("kafka-delete-records", delete_records)
    tap.check("ProducerPerformance", performance)
    tap.check("VerifiableProducer", verifiable)
    tap.check("kafka-log-dirs", log_dirs)
    tap.check("kafka-cluster and kafka-broker-api-versions", cluster)
    tap.check("leader election and reassignment with one node's answers", elections)
    tap.check("subscribing console consumers, and kafka-consumer-groups", groups)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
