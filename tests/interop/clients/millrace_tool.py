#!/usr/bin/env python3
"""The millrace program itself as a client: topics, groups, produce, consume. It must work with any
broker, so that --oracle runs it against Apache Kafka."""

import json
import os
import pathlib
import subprocess
import sys
import time

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[1:3]]
from tap import Tap, equal  # noqa: E402  pylint: disable=wrong-import-position

BOOTSTRAP = sys.argv[1]
TOOL = os.environ["MILLRACE_TEST_TOOL"]
KAFKA_REMEDIES = (b"TOPIC_ALREADY_EXISTS", b"INVALID_CONFIG", b"UNKNOWN_TOPIC_OR_PARTITION",
                  b"OFFSET_OUT_OF_RANGE", b"INVALID_PARTITIONS")


def run(*words, data=None, status=0, bootstrap=BOOTSTRAP):
    done = subprocess.run([TOOL, *words, "--bootstrap", bootstrap], input=data, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != status:
        raise AssertionError(f"{words}: status {done.returncode}: {done.stderr.decode()[-600:]}")
    return done.stdout if status == 0 else done.stderr


def run_json(*words, data=None):
    return json.loads(run(*words, "-o", "json", data=data))


def create_list_show_delete():
    run("topic", "create", "tool-a", "tool-b", "-p", "3", "-c", "retention.ms=60000")
    topics = {t["name"]: t for t in run_json("topic", "list")["topics"]}
    equal((topics["tool-a"]["partitions"], topics["tool-b"]["partitions"]), (3, 3))
    shown = run_json("topic", "show", "tool-a")
    equal([p["partition"] for p in shown["partitions"]], [0, 1, 2])
    equal([(p["start_offset"], p["end_offset"]) for p in shown["partitions"]], [(0, 0)] * 3)
    equal(shown["config"]["retention.ms"], {"value": "60000", "source": "topic"})
    equal(shown["config"]["segment.bytes"]["source"], "default")
    run("topic", "delete", "tool-a", "tool-b")
    for _ in range(50):
        names = [t["name"] for t in run_json("topic", "list")["topics"]]
        if "tool-a" not in names and "tool-b" not in names:
            return
        time.sleep(0.1)
    raise AssertionError(f"still there: {names}")


def set_unset_grow():
    run("topic", "create", "tool-set")
    run("topic", "set", "tool-set", "max.message.bytes=2000000", "retention.ms=1234567")
    config = run_json("topic", "show", "tool-set")["config"]
    equal((config["max.message.bytes"]["value"], config["retention.ms"]["value"]),
          ("2000000", "1234567"))
    run("topic", "set", "tool-set", "--unset", "retention.ms")
    equal(run_json("topic", "show", "tool-set")["config"]["retention.ms"]["source"], "default")
    run("topic", "grow", "tool-set", "4")
    equal(len(run_json("topic", "show", "tool-set")["partitions"]), 4)


def refusals_name_the_error():
    run("topic", "create", "tool-twice")
    for words, name in ((("topic", "create", "tool-twice"), b"TOPIC_ALREADY_EXISTS"),
                        (("topic", "create", "tool-bad", "-c", "nope=1"), b"INVALID_CONFIG"),
                        (("topic", "set", "tool-twice", "retention.ms=x"), b"INVALID_CONFIG"),
                        (("topic", "grow", "tool-twice", "1"), b"INVALID_PARTITIONS"),
                        (("topic", "delete", "tool-none"), b"UNKNOWN_TOPIC_OR_PARTITION"),
                        (("consume", "tool-none"), b"UNKNOWN_TOPIC_OR_PARTITION"),
                        (("consume", "tool-twice", "-o", "77", "-n", "1"),
                         b"OFFSET_OUT_OF_RANGE"),
                        (("produce", "tool-twice", "-p", "9"), b"not a partition 9")):
        said = run(*words, data=b"x\n", status=1)
        assert name in said, (words, said)
        assert b"; " in said or name not in KAFKA_REMEDIES, f"no remedy: {said}"
    run("topic", "create", "tool-twice", "--if-not-exists")
    run("topic", "delete", "tool-none", "--if-exists")
    run("topic", "create", "tool-dry", "--dry-run")
    assert "tool-dry" not in [t["name"] for t in run_json("topic", "list")["topics"]]


def words_that_make_no_sense():
    for words in (("topic", "set", "t"), ("topic", "set", "t", "no value"),
                  ("topic", "grow", "t", "x"),
                  ("consume", "t", "-o", "nowhere"), ("consume", "t", "-f", "%q"),
                  ("consume", "t", "-n", "0"), ("produce", "t", "--acks", "2"),
                  ("produce", "t", "-z", "rar"), ("consume", "t", "-p", "-1")):
        run(*words, data=b"", status=2)
    run("topic", "list", bootstrap="nowhere", status=2)
    said = run("topic", "list", bootstrap="127.0.0.1:1", status=1)
    assert b"millrace up" in said, said


def produce_says_where_records_went():
    run("topic", "create", "tool-where-to", "-p", "2")
    told = run_json("produce", "tool-where-to", "-p", "1", data=b"a\nb\n")
    equal((told["records"], told["idempotent"]), (2, True))
    equal(told["partitions"],
          [{"partition": 1, "records": 2, "first_offset": 0, "last_offset": 1}])
    told = run_json("produce", "tool-where-to", "-p", "1", "--acks", "1", data=b"c")
    equal((told["idempotent"], told["partitions"][0]["first_offset"]), (False, 2))
    run("produce", "tool-first-use", data=b"made by its first record\n")
    equal(run("consume", "tool-first-use", "-e"), b"made by its first record\n")


def formats_and_nulls():
    run("topic", "create", "tool-format")
    run("produce", "tool-format", "-k", "=>", "-Z", "-H", "h=1", "-H", "null",
        data=b"k=>v\nonly\ngone=>\n")
    got = run("consume", "tool-format", "-e", "-f", "%t/%p/%o %k(%K) %s(%S) %h\\t%%\\x21\\n")
    equal(got.decode().splitlines(), ["tool-format/0/0 k(1) v(1) h=1,null=NULL\t%!",
                                      "tool-format/0/1 (-1) only(4) h=1,null=NULL\t%!",
                                      "tool-format/0/2 gone(4) (-1) h=1,null=NULL\t%!"])
    rows = [json.loads(line) for line in
            run("consume", "tool-format", "-e", "-o", "json").decode().splitlines()]
    equal([(r["key"], r["value"]) for r in rows], [("k", "v"), (None, "only"), ("gone", None)])
    equal(rows[0]["headers"][1], {"key": "null", "value": None})
    assert abs(rows[0]["timestamp"] / 1000 - time.time()) < 60, rows[0]
    now = run("consume", "tool-format", "-e", "-f", "%T\\n").decode().split()
    equal(now, [str(r["timestamp"]) for r in rows])


def an_open_pipe_sends_what_it_has():
    run("topic", "create", "tool-pipe")
    with subprocess.Popen([TOOL, "produce", "tool-pipe", "--bootstrap", BOOTSTRAP],
                          stdin=subprocess.PIPE) as writer:
        writer.stdin.write(b"first\nhalf a li")
        writer.stdin.flush()
        equal(run("consume", "tool-pipe", "-n", "1"), b"first\n")
        writer.stdin.write(b"ne\n")
        writer.stdin.close()
        equal(writer.wait(30), 0)
    equal(run("consume", "tool-pipe", "-e"), b"first\nhalf a line\n")


def sizes_and_offsets_are_shown():
    run("topic", "create", "tool-sizes", "-p", "2")
    run("produce", "tool-sizes", "-p", "0", data=b"x" * 5000 + b"\n")
    shown = run_json("topic", "show", "tool-sizes")["partitions"]
    equal([(p["start_offset"], p["end_offset"]) for p in shown], [(0, 1), (0, 0)])
    assert 5000 < shown[0]["size_bytes"] < 6000 and shown[1]["size_bytes"] == 0, shown
    text = run("topic", "show", "tool-sizes").decode()
    assert "tool-sizes" in text and "PARTITION" in text, text


def round_trip(codec, acks):
    topic = f"tool-{codec}-{acks}"
    run("topic", "create", topic, "-p", "3")
    lines = [f"line {i} " + "y" * (i % 900) for i in range(20000)]
    data = ("\n".join(lines) + "\n").encode()
    told = run_json("produce", topic, "-z", codec, "--acks", acks, data=data)
    equal(told["records"], len(lines))
    equal(sorted(run("consume", topic, "-e").decode().splitlines()), sorted(lines))


def keys_headers_order():
    run("topic", "create", "tool-keys", "-p", "4")
    data = "".join(f"key{i % 10}:value {i}\n" for i in range(1000)).encode()
    run("produce", "tool-keys", "-k", ":", "-H", "a=1", "-H", "b=", data=data)
    rows = [json.loads(line) for line in
            run("consume", "tool-keys", "-e", "-o", "json").decode().splitlines()]
    equal(len(rows), 1000)
    for number in range(10):
        mine = [row for row in rows if row["key"] == f"key{number}"]
        equal(len({row["partition"] for row in mine}), 1, "one partition per key")
        equal([row["value"] for row in mine], [f"value {i}" for i in range(number, 1000, 10)])
    equal(rows[0]["headers"], [{"key": "a", "value": "1"}, {"key": "b", "value": ""}])


def where_to_begin():
    run("topic", "create", "tool-where")
    run("produce", "tool-where", data=b"0\n1\n2\n")
    time.sleep(0.05)
    border = int(time.time() * 1000)
    time.sleep(0.05)
    run("produce", "tool-where", data=b"3\n4\n")
    for offset, want in (("begin", "01234"), ("2", "234"), ("-1", "4"), ("end", ""),
                         (f"@{border}", "34"), ("5", "")):
        got = run("consume", "tool-where", "-e", "-o", offset).decode().split()
        equal("".join(got), want, offset)
    equal(run("consume", "tool-where", "-n", "2").decode().split(), ["0", "1"])


def large_record(path):
    run("topic", "create", "tool-large", "-c", "max.message.bytes=20000000")
    path.write_bytes(bytes(range(256)) * 40000)
    run("produce", "tool-large", "--file", str(path), "--key", "big")
    equal(run("consume", "tool-large", "-e"), path.read_bytes() + b"\n")


def groups_are_sought_shown_and_deleted():
    """A group that is made by a seek: no member is needed."""
    run("topic", "create", "tool-group", "-p", "2")
    run("produce", "tool-group", "-p", "0", data=b"a\nb\nc\n")
    plan = run_json("group", "seek", "tool-readers", "--topic", "tool-group", "--to", "1")
    equal([(p["partition"], p["from"], p["to"]) for p in plan["partitions"]],
          [(0, None, 1), (1, None, 0)])
    equal(plan["executed"], False)
    run("group", "show", "tool-readers", status=1)  # It was only a plan.
    run("group", "seek", "tool-readers", "--topic", "tool-group", "--to", "1", "--execute")
    listed = {g["group"]: g for g in run_json("group", "list")["groups"]}
    equal(listed["tool-readers"]["state"], "Empty")
    shown = run_json("group", "show", "tool-readers")
    equal([(p["partition"], p["committed"], p["end"], p["lag"]) for p in shown["partitions"]],
          [(0, 1, 3, 2), (1, 0, 0, 0)])
    equal([p["lag_seconds"] is None for p in shown["partitions"]], [False, False])
    run("group", "seek", "tool-readers", "--topic", "tool-group", "-p", "0", "--to", "end",
        "--execute")
    shown = run_json("group", "show", "tool-readers")
    equal([p["lag"] for p in shown["partitions"]], [0, 0])
    run("group", "delete", "tool-readers")
    error = run("group", "show", "tool-readers", status=1)
    equal(b"GROUP_ID_NOT_FOUND" in error, True)
    equal("transactions" in run_json("txn", "list"), True)
    error = run("txn", "show", "tool-nobody", status=1)
    equal(b"TRANSACTIONAL_ID_NOT_FOUND" in error, True)


def follow():
    run("topic", "create", "tool-follow")
    with subprocess.Popen([TOOL, "consume", "tool-follow", "-n", "2", "--bootstrap",
                           BOOTSTRAP], stdout=subprocess.PIPE) as reader:
        run("produce", "tool-follow", data=b"one\n")
        run("produce", "tool-follow", data=b"two\n")
        equal(reader.communicate(timeout=30)[0], b"one\ntwo\n")


def coordinators_are_loads():
    """What was acknowledged is read back by the run itself: it would fail."""
    kinds = [("commits", "--connections", "20"), ("transactions", "--connections", "4"),
             ("transactions", "--transaction-ms", "50", "--batch-bytes", "16k")]
    if BOOTSTRAP.startswith("127.0.0.1:"):  # Its first round waits for three seconds.
        kinds.append(("rebalance", "--connections", "50"))
    for kind in kinds:
        result = run_json("bench", *kind, "--seconds", "1", "--warm-up", "0")
        assert result["requests"] > 0 and result["verified"] and not result["errors"], result


def main():
    tap = Tap()
    tap.check("topics are created, listed, shown, deleted", create_list_show_delete)
    tap.check("configuration is set and unset, partitions added", set_unset_grow)
    tap.check("refusals name Kafka's error and the remedy", refusals_name_the_error)
    tap.check("words that make no sense are usage errors", words_that_make_no_sense)
    tap.check("offsets and sizes are shown", sizes_and_offsets_are_shown)
    tap.check("produce says where records went, and makes topics", produce_says_where_records_went)
    tap.check("formats, JSON, nulls and timestamps", formats_and_nulls)
    tap.check("lines go out while the input stays open", an_open_pipe_sends_what_it_has)
    for codec, acks in (("none", "all"), ("gzip", "1"), ("snappy", "all"), ("lz4", "0"),
                        ("zstd", "all")):
        tap.check(f"20000 records with {codec} and acks={acks}", round_trip, codec, acks)
    tap.check("keys keep their partition and order, headers arrive", keys_headers_order)
    tap.check("offsets and times to begin from", where_to_begin)
    path = pathlib.Path(f"/tmp/millrace-tool-{os.getpid()}")
    tap.check("a record of 10 MB", large_record, path)
    path.unlink(missing_ok=True)
    tap.check("a group is made by a seek, shown with its lag, and deleted",
              groups_are_sought_shown_and_deleted)
    tap.check("follow waits for what comes", follow)
    tap.check("groups and transactions are put under load", coordinators_are_loads)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
