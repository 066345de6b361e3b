#!/usr/bin/env python3
"""Debian's kcat and librdkafka: every codec, headers, keys, nulls, big records, offsets."""

import json
import pathlib
import subprocess
import sys
import time

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[1:3]]
from tap import Tap, equal  # noqa: E402  pylint: disable=wrong-import-position

BOOTSTRAP = sys.argv[1]


def kcat(*arguments, data=None, ok=True):
    done = subprocess.run(["kcat", "-b", BOOTSTRAP, *arguments], input=data, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if ok and done.returncode != 0:
        raise AssertionError(f"kcat {arguments}: {done.stderr.decode()[-600:]}")
    return done.stdout


def produce(topic, lines, *arguments):
    kcat("-P", "-t", topic, "-X", "topic.metadata.propagation.max.ms=30000", *arguments,
         data=("\n".join(lines) + "\n").encode())


def consume(topic, *arguments, form="%o|%k|%s|%h\n"):
    out = kcat("-C", "-q", "-t", topic, "-e", "-f", form, *arguments).decode()
    return [line for line in out.split("\n") if line]


def round_trip(codec, acks):
    topic = f"kcat-{codec}-{acks}"
    lines = [f"value number {i} " + "x" * (i % 700) for i in range(3000)]
    produce(topic, lines, "-z", codec, "-p", "0", "-X", f"acks={acks}")
    got = consume(topic, "-p", "0", "-o", "beginning", form="%s\n")
    equal(len(got), len(lines), "count")
    equal(got, lines, "records")


def acks_zero():
    produce("kcat-acks0", ["one"], "-p", "0", "-X", "acks=1")
    produce("kcat-acks0", ["two", "three"], "-p", "0", "-X", "acks=0")
    for _ in range(50):
        got = consume("kcat-acks0", "-p", "0", "-o", "beginning", form="%s\n")
        if len(got) == 3:
            break
        time.sleep(0.1)
    equal(sorted(got), ["one", "three", "two"], "records")


def keys_and_headers():
    produce("kcat-keys", ["a:1", "b:2", "c:3"], "-K", ":", "-p", "0", "-H", "trace=xyz",
            "-H", "empty=")
    equal(consume("kcat-keys", "-p", "0", "-o", "beginning"),
          ["0|a|1|trace=xyz,empty=", "1|b|2|trace=xyz,empty=", "2|c|3|trace=xyz,empty="])


def null_values():
    produce("kcat-null", ["key:", "key2:v"], "-Z", "-K", ":", "-p", "0")
    equal(consume("kcat-null", "-p", "0", "-o", "beginning", form="%k %S\n"),
          ["key -1", "key2 1"])


def megabyte_record():
    value = "m" * 999_000
    path = pathlib.Path("/tmp") / f"kcat-big-{time.time_ns()}"
    path.write_text(value, encoding="ascii")
    try:
        kcat("-P", "-t", "kcat-big", "-p", "0", str(path))
        equal(consume("kcat-big", "-p", "0", "-o", "beginning", form="%S\n"), ["999000"])
    finally:
        path.unlink()


def too_large_is_refused_by_the_broker():
    path = pathlib.Path("/tmp") / f"kcat-huge-{time.time_ns()}"
    path.write_text("h" * 1_500_000, encoding="ascii")
    try:
        done = subprocess.run(["kcat", "-b", BOOTSTRAP, "-P", "-t", "kcat-big", "-p", "0", "-X",
                               "message.max.bytes=3000000", str(path)], stderr=subprocess.PIPE,
                              timeout=60, check=False)
        assert b"Message size too large" in done.stderr, done.stderr
    finally:
        path.unlink()


def idempotent():
    lines = [f"i{i}" for i in range(2000)]
    produce("kcat-idem", lines, "-p", "0", "-X", "enable.idempotence=true", "-z", "lz4")
    equal(consume("kcat-idem", "-p", "0", "-o", "beginning", form="%s\n"), lines)


def offsets():
    lines = [str(i) for i in range(100)]
    produce("kcat-offsets", lines, "-p", "0")
    equal(consume("kcat-offsets", "-p", "0", "-o", "97", form="%s\n"), ["97", "98", "99"])
    equal(consume("kcat-offsets", "-p", "0", "-o", "-2", form="%s\n"), ["98", "99"])
    equal(kcat("-Q", "-t", "kcat-offsets:0:-1").split()[-1], b"100")
    equal(kcat("-Q", "-t", "kcat-offsets:0:-2").split()[-1], b"0")


def timestamps():
    produce("kcat-time", ["early"], "-p", "0")
    time.sleep(0.05)
    middle = time.time_ns() // 1_000_000
    time.sleep(0.05)
    produce("kcat-time", ["late"], "-p", "0")
    equal(consume("kcat-time", "-p", "0", "-o", f"s@{middle}", form="%s\n"), ["late"])
    equal(kcat("-Q", "-t", f"kcat-time:0:{middle}").split()[-1], b"1")


def metadata():
    produce("kcat-meta", ["x"], "-p", "0")
    seen = json.loads(kcat("-L", "-J", "-t", "kcat-meta"))
    equal(f"{seen['brokers'][0]['name']}", BOOTSTRAP, "advertised address")
    equal([t["topic"] for t in seen["topics"]], ["kcat-meta"])
    equal(len(seen["topics"][0]["partitions"]), 1)


def long_poll_delivers_soon():
    produce("kcat-tail", ["0"], "-p", "0")
    reader = subprocess.Popen(["kcat", "-b", BOOTSTRAP, "-C", "-q", "-u", "-t", "kcat-tail", "-p",
                               "0", "-o", "end", "-c", "3", "-f", "%s\n"], stdout=subprocess.PIPE)
    try:
        sent = 0
        while reader.poll() is None:  # What comes before it looks at the end is not for it.
            assert sent < 600, "the reader does not get what is produced"
            produce("kcat-tail", [f"live{sent}"], "-p", "0")
            sent += 1
        got = [int(line.removeprefix("live")) for line in reader.stdout.read().decode().split()]
        equal(got, list(range(got[0], got[0] + 3)))
    finally:
        reader.kill()
        reader.wait()


def subscribing():
    produce("kcat-group", [f"g{i}" for i in range(60)], "-p", "0")
    got = []
    for _ in range(3):  # Each goes on where the one before has committed.
        got += kcat("-G", "kcat-readers", "-q", "-u", "-c", "20", "-X",
                    "auto.offset.reset=earliest", "-f", "%s\n", "kcat-group").decode().split()
    equal(got, [f"g{i}" for i in range(60)], "records of all readers")


def main():
    tap = Tap()
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        for acks in ("1", "all"):
            tap.check(f"kcat round trip, codec {codec}, acks {acks}", round_trip, codec, acks)
    tap.check("acks=0 arrives", acks_zero)
    tap.check("keys and headers", keys_and_headers)
    tap.check("null values", null_values)
    tap.check("a record of a megabyte", megabyte_record)
    tap.check("a batch over max.message.bytes is refused", too_large_is_refused_by_the_broker)
    tap.check("idempotent producer", idempotent)
    tap.check("offsets: absolute, from the end, earliest, latest", offsets)
    tap.check("lookup by timestamp", timestamps)
    tap.check("metadata names the address connected to", metadata)
    tap.check("a waiting consumer gets records as they come", long_poll_delivers_soon)
    tap.check("subscribing readers go on where the one before has committed", subscribing)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
