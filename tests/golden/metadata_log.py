"""The metadata log that we write, read by Kafka's own tools.

    metadata_log.py GOLDEN_METADATA_LOG

DumpLogSegments with --cluster-metadata-decoder must find every record of the log and of a
checkpoint, with the values that were written; the metadata shell must build its image from the
checkpoint. Without the jars (see pins.py) the test is skipped.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import pins  # noqa: E402
import tap  # noqa: E402

JAVA_SECONDS_MAX = 120
SHELL_TRIES_MAX = 10


def java(*arguments):
    done = subprocess.run(
        [pins.java(), "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp",
         pins.maven_classpath(), *arguments],
        capture_output=True, text=True, timeout=JAVA_SECONDS_MAX, check=False)
    return done.returncode, done.stdout, done.stderr


def dump(path):
    """The dump tool's text and the records in it."""
    code, out, err = java("kafka.tools.DumpLogSegments", "--cluster-metadata-decoder", "--files",
                          str(path))
    records = [json.loads(found) for found in re.findall(r"payload: (\{.*\})$", out, re.M)]
    return code, out + err, records


def of_type(records, name):
    return [record["data"] for record in records if record["type"] == name]


def check_log(checks, path):
    code, text, records = dump(path)
    checks.that("the dump tool reads the log", code == 0 and "invalid" not in text.lower(), text)
    checks.that("it finds the leader change", re.search(r"LeaderChange.*\"leaderId\":1", text),
                text)
    topics = {record["name"]: record["topicId"] for record in of_type(records, "TOPIC_RECORD")}
    checks.that("every topic is there", sorted(topics) == ["gone", "orders", "payments.eu"],
                topics)
    partitions = of_type(records, "PARTITION_RECORD")
    mine = [record for record in partitions if record["topicId"] == topics.get("orders")]
    checks.that("partitions have one replica, here", len(mine) == 3 and all(
        record["replicas"] == [1] and record["isr"] == [1] and record["leader"] == 1
        for record in mine), mine)
    changes = of_type(records, "PARTITION_CHANGE_RECORD")
    checks.that("changes carry directory and leader",
                sum("directories" in change for change in changes) == 5
                and sum(change.get("leader") == 1 for change in changes) == 3, changes)
    checks.that("the feature level is 4.0-IV3", of_type(records, "FEATURE_LEVEL_RECORD") == [
        {"name": "metadata.version", "featureLevel": 25}], records[:3])
    broker = of_type(records, "REGISTER_BROKER_RECORD")[0]
    checks.that("the broker's registration is whole",
                broker["endPoints"][0]["host"] == "broker.example" and broker["rack"] == "rack-a"
                and broker["fenced"] is False and len(broker["logDirs"]) == 1, broker)
    checks.that("settings come and go", [
        (record["resourceName"], record["value"]) for record in of_type(records, "CONFIG_RECORD")
        if record["resourceType"] == 4] == [("", "1000"), ("1", "2000"), ("1", None)], records)
    checks.that("producer ids are there", of_type(records, "PRODUCER_IDS_RECORD")[0][
        "nextProducerId"] == 4000, records)
    checks.that("a removed topic is removed", of_type(records, "REMOVE_TOPIC_RECORD") == [
        {"topicId": topics.get("gone")}], records)


def check_checkpoint(checks, path):
    code, text, records = dump(path)
    checks.that("the dump tool reads a checkpoint", code == 0 and "invalid" not in text.lower(),
                text)
    checks.that("it starts with a header and ends with a footer",
                "SnapshotHeader" in text and "SnapshotFooter" in text, text)
    checks.that("it holds the state, not the history",
                sorted(record["name"] for record in of_type(records, "TOPIC_RECORD"))
                == ["orders", "payments.eu"] and not of_type(records, "PARTITION_CHANGE_RECORD"),
                records)


def shell(path, sign, *command):
    """What the metadata shell prints. It may run a command before the image it has just loaded is
    published, and then finds nothing in it: asked again, a few times, until `sign` is there."""
    for _ in range(SHELL_TRIES_MAX):
        code, out, err = java("org.apache.kafka.shell.MetadataShell", "--snapshot", str(path),
                              *command)
        if code != 0 or sign in out:
            break
    return code, out, err


def check_shell(checks, path):
    code, out, err = shell(path, "/byName/orders", "find", "/image")
    checks.that("the metadata shell builds an image", code == 0, out + err)
    checks.that("its image has the topics",
                "/image/topics/byName/orders/2" in out and "/image/topics/byName/payments.eu/0"
                in out and "gone" not in out, out)
    code, out, err = shell(path, "leaderEpoch", "cat", "/image/topics/byName/orders/0")
    checks.that("its partitions have the raised epoch", re.search(r"leaderEpoch\D+1\b", out),
                out + err)


def main():
    try:
        pins.maven_classpath()
        pins.java()
    except pins.Unavailable as error:
        tap.skip_all(error)
    checks = tap.Tap()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        written = subprocess.run([sys.argv[1], str(folder)], capture_output=True, text=True,
                                 check=False)
        checks.that("a metadata log is written", written.returncode == 0, written.stderr)
        inner = folder / "__cluster_metadata-0"
        check_log(checks, folder / f"{0:020d}.log")
        checkpoint = next(inner.glob("*.checkpoint"))
        check_checkpoint(checks, checkpoint)
        check_shell(checks, checkpoint)
        code, text, records = dump(next(inner.glob("*.log")))
        checks.that("the file behind the checkpoint goes on from it", code == 0 and [
            record["name"] for record in of_type(records, "TOPIC_RECORD")] == ["later"], text)
    return checks.done()


if __name__ == "__main__":
    sys.exit(main())
