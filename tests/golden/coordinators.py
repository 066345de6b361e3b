"""What the coordinators record, read by Kafka's own dump tool.

    coordinators.py GOLDEN_GROUPS GOLDEN_TXNS

Without the jars (see pins.py) the test is skipped.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import kafka_dump  # noqa: E402
import pins  # noqa: E402
import tap  # noqa: E402


def payloads(text):
    """(key, value) of each record as the tool's decoder tells them; a tombstone has none. The key
    holds its type, too."""
    found = []
    for line in text.splitlines():
        key = re.search(r"\bkey: (\{.*?\})(?: payload: (.*))?$", line)
        if key:
            value = key.group(2)
            told = json.loads(key.group(1))
            found.append((told["data"] | {"type": int(told["type"])},
                          json.loads(value) if value and value.startswith("{") else None))
    return found


def dump(checks, tool, program, path, option):
    written = subprocess.run([program, str(path)], check=False)
    faults, told = tool.dump([path], option)
    faults += [line for line in told.get(path, "").splitlines() if "skipping" in line]
    checks.faults(f"the dump tool reads what {pathlib.Path(program).name} wrote",
                  faults + ([] if written.returncode == 0 else ["was not written"]))
    return payloads(told.get(path, ""))


def check_groups(checks, records):
    groups = [(key["group"], value) for key, value in records if "topic" not in key]
    offsets = [(key, value) for key, value in records if "topic" in key]
    states = [(name, value["data"]["generation"], len(value["data"]["members"]))
              for name, value in groups if value]
    checks.that("a group is new, stable and empty",
                states == [("g", 0, 0), ("g", 1, 2), ("g", 2, 0)], groups)
    members = groups[1][1]["data"]["members"]
    checks.that("its members are whole",
                members[0]["groupInstanceId"] == "i" and members[1]["clientId"] == "b"
                and members[0]["rebalanceTimeout"] == 60000
                and members[0]["clientHost"] == "/10.0.0.1", members)
    checks.that("offsets are as they were committed",
                [(key["topic"], key["partition"], value["data"]["offset"],
                  value["data"]["metadata"]) for key, value in offsets if value]
                == [("t", 0, 5, "note"), ("t", 1, 6, ""), ("t", 3, 9, "")], offsets)
    checks.that("an expiry is in the version that has one",
                [str(value["version"]) for _, value in offsets if value] == ["4", "4", "1"],
                offsets)
    checks.that("what is deleted has tombstones",
                [name for name, value in groups if value is None] == ["simple"]
                and sum(value is None for _, value in offsets) == 1, records)


def member_of(records, kind, name):
    """What the records of a kind say of a member, but tombstones."""
    return [value["data"] for key, value in records
            if (key["type"], key.get("memberId")) == (kind, name) and value]


def check_consumer_groups(checks, records):
    kinds = {3: "epoch", 5: "member", 6: "target epoch", 7: "target", 8: "current", 16: "regex"}
    for kind, name in kinds.items():
        values = [value for key, value in records if key["type"] == kind]
        checks.that(f"consumer group, {name}: records, and a tombstone at last",
                    len(values) > 1 and values[0] is not None and values[-1] is None, values)
    epochs = [value["data"]["epoch"] for key, value in records if key["type"] == 3 and value]
    checks.that("its epoch grows", epochs == sorted(set(epochs)) and epochs[0] == 1, epochs)
    first = member_of(records, 5, "m1")[0]
    checks.that("a member is whole",
                (first["instanceId"], first["rackId"], first["clientId"], first["clientHost"],
                 first["subscribedTopicNames"], first["rebalanceTimeoutMs"],
                 first["serverAssignor"])
                == ("i", "r", "one", "/10.0.0.1", ["t"], 60000, "range"), first)
    second = member_of(records, 5, "m2")[0]
    checks.that("so is one with a regular expression",
                second["subscribedTopicRegex"] == "t.*" and second["subscribedTopicNames"] == []
                and second["instanceId"] is None, second)
    regex = [(key["regularExpression"], value["data"]["topics"]) for key, value in records
             if key["type"] == 16 and value]
    checks.that("and what that found", regex[0] == ("t.*", ["t"]), regex)
    target = member_of(records, 7, "m1")[0]["topicPartitions"]
    checks.that("targets name partitions", [place["partitions"] for place in target] == [[0, 1]],
                target)
    current = member_of(records, 8, "m1")
    checks.that("a current assignment has what is to be given up",
                current[0]["memberEpoch"] == 1
                and [place["partitions"] for place in current[0]["assignedPartitions"]] == [[0, 1]]
                and any(state["partitionsPendingRevocation"] for state in current), current)


def check_mixed_group(checks, records):
    """Classic, upgraded, and classic again."""
    kinds = [(key["type"], value is not None) for key, value in records]
    checks.that("a group that goes over has all records, and tombstones on its way back",
                kinds == [(2, True), (2, True), (2, False), (5, True), (3, True), (7, True),
                          (6, True), (8, True), (5, True), (3, True), (7, True), (7, True),
                          (6, True), (8, True), (8, False), (8, False), (7, False), (7, False),
                          (6, False), (5, False), (5, False), (4, False), (3, False), (2, True)],
                kinds)
    classic = records[3][1]["data"]["classicMemberMetadata"]
    checks.that("a classic member of it is whole",
                classic["sessionTimeoutMs"] == 10000
                and [protocol["name"] for protocol in classic["supportedProtocols"]] == ["range"],
                classic)
    checks.that("one of the consumer protocol has nothing classic",
                records[8][1]["data"].get("classicMemberMetadata") is None, records[8])
    back = records[-1][1]["data"]
    checks.that("the classic group goes on in the group's epoch",
                (back["generation"], back["protocolType"], back["protocol"], len(back["members"]))
                == (2, "consumer", "range", 1), back)


def check_txns(checks, records):
    told = [(key["transactionalId"], str(value["version"]), value["data"]["producerId"],
             value["data"]["producerEpoch"], value["data"]["transactionStatus"])
            for key, value in records if value]
    checks.that("each step of both protocols is there", told == [
        ("old", "0", 1000, 0, 0), ("old", "0", 1000, 0, 1), ("old", "0", 1000, 0, 3),
        ("old", "0", 1000, 0, 5),
        ("new", "1", 1001, 0, 0), ("new", "1", 1001, 0, 1), ("new", "1", 1001, 1, 2),
        ("new", "1", 1001, 1, 4)], told)
    checks.that("partitions stand by topic",
                records[1][1]["data"]["transactionPartitions"] == [
                    {"topic": "t", "partitionIds": [0, 1]}, {"topic": "u", "partitionIds": [2]}],
                records[1])
    checks.that("expired ids have tombstones",
                [key["transactionalId"] for key, value in records if value is None]
                == ["old", "new"], records)


def main():
    try:
        tool = kafka_dump.DumpTool()
    except pins.Unavailable as error:
        tap.skip_all(error)
    checks = tap.Tap()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        records = dump(checks, tool, sys.argv[1], path / f"{0:020d}.log", "--offsets-decoder")
        mixed = [record for record in records
                 if "x" in (record[0].get("group"), record[0].get("groupId"))]
        records = [record for record in records if record not in mixed]
        check_mixed_group(checks, mixed)
        check_groups(checks, [record for record in records if record[0]["type"] < 3])
        check_consumer_groups(checks, [record for record in records if record[0]["type"] >= 3])
        check_txns(checks, dump(checks, tool, sys.argv[2], path / f"{1:020d}.log",
                                "--transaction-log-decoder"))
    return checks.done()


sys.exit(main())
