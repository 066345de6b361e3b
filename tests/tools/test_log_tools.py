"""`millrace log dump|verify|seal` on segments made here, byte by byte, by other code.

test_log_tools.py MILLRACE_BINARY. Speaks TAP.
"""

import contextlib
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import tap  # noqa: E402  pylint: disable=wrong-import-position

BINARY = os.path.abspath(sys.argv[1])
BASE = 40

CRC_TABLE = []
for byte in range(256):
    crc = byte
    for _ in range(8):
        crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    CRC_TABLE.append(crc)


def crc32c(data):
    value = 0xFFFFFFFF
    for one in data:
        value = CRC_TABLE[(value ^ one) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def varint(number):
    value = (number << 1) ^ (number >> 63)
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def record(delta, key, value):
    body = b"\0" + varint(delta) + varint(delta)
    body += varint(len(key)) + key + varint(len(value)) + value + varint(0)
    return varint(len(body)) + body


def batch(offset, values, epoch=0, time=1000, last=None, newest=None, count=None):
    """A sealed batch; what is given beside the values contradicts them."""
    records = b"".join(record(i, b"k%d" % i, value) for i, value in enumerate(values))
    last = len(values) - 1 if last is None else last
    newest = time + len(values) - 1 if newest is None else newest
    count = len(values) if count is None else count
    tail = struct.pack(">hiqqqhii", 0, last, time, newest, -1, -1, -1, count) + records
    body = struct.pack(">ib", epoch, 2) + struct.pack(">I", crc32c(tail)) + tail
    return struct.pack(">qi", offset, len(body)) + body


class Segment:
    """A partition directory `t-0` with one segment: three batches, both indexes, free space."""

    @staticmethod
    def batches():
        return [batch(40, [b"a", b"b"]), batch(42, [b"c" * 50], time=2000),
                batch(43, [b"d", b"e", b"f"], epoch=3, time=3000)]

    def __init__(self, folder):
        self.folder = os.path.join(folder, "t-0")
        os.makedirs(self.folder)
        self.batches = Segment.batches()
        second, third = len(self.batches[0]), len(self.batches[0]) + len(self.batches[1])
        self.log = b"".join(self.batches)
        self.index = struct.pack(">iiii", 2, second, 5, third)
        self.time_index = struct.pack(">qiqi", 2000, 2, 3002, 5)
        self.put(".log", self.log + bytes(4096))
        self.put(".index", self.index + bytes(64))
        self.put(".timeindex", self.time_index + bytes(60))
        with open(os.path.join(self.folder, "leader-epoch-checkpoint"), "w",
                  encoding="utf-8") as file:
            file.write("0\n2\n0 40\n3 43\n")

    def path(self, suffix):
        return os.path.join(self.folder, f"{BASE:020d}{suffix}")

    def put(self, suffix, content):
        with open(self.path(suffix), "wb") as file:
            file.write(content)


@contextlib.contextmanager
def segment():
    with tempfile.TemporaryDirectory(prefix="log-") as folder:
        yield Segment(folder)


def run(*words):
    return subprocess.run([BINARY, "log", *words], text=True, capture_output=True, timeout=30,
                          check=False)


def problems(one):
    done = run("verify", os.path.dirname(one.folder), "-o", "json")
    told = json.loads(done.stdout)
    found = told["problems"]
    assert done.returncode == (1 if found else 3 if told["warnings"] else 0), done
    return [f"{os.path.basename(p['file'])} at {p['position']}: {p['what']}" for p in found]


def a_good_segment_has_no_problems():
    with segment() as one:
        done = run("verify", one.folder, "-o", "json")
        assert done.returncode == 0, done.stdout
        told = json.loads(done.stdout)
        assert told["problems"] == [] and told["partitions"] == 1
        assert (told["batches"], told["records"]) == (3, 6)
        assert told["bytes"] == len(one.log) and told["zero_bytes"] == 4096


def each_damage_is_found_and_named():
    log_name, index_name, time_name = (f"{BASE:020d}{s}" for s in (".log", ".index", ".timeindex"))
    with segment() as one:
        at = len(one.batches[0])
        flipped = bytearray(one.log)
        flipped[at + 90] ^= 1
        one.put(".log", bytes(flipped))
        assert f"{log_name} at {at}: wrong checksum" in problems(one)
    with segment() as one:
        one.put(".log", one.log + b"\0\0\1garbage")
        assert problems(one)[0].startswith(f"{log_name} at {len(one.log)}: 10 bytes that are no "
                                           "batch")
    with segment() as one:
        one.put(".log", one.batches[0] + batch(41, [b"x"]))
        assert f"{log_name} at {len(one.batches[0])}: offset 41 where 42 is the next" in \
            problems(one)
    with segment() as one:
        one.put(".log", one.batches[0] + batch(42, [b"x"], epoch=-1))
        assert any("leader epoch -1 behind 0" in p for p in problems(one))
    with segment() as one:
        third = len(one.batches[0]) + len(one.batches[1])
        one.put(".index", struct.pack(">iiii", 2, len(one.batches[0]), 4, third))
        assert problems(one) == [f"{index_name} at 8: no batch that ends with offset 44 stands at "
                                 f"{third}"]
    with segment() as one:
        one.put(".timeindex", struct.pack(">qiqi", 2000, 2, 9999, 5))
        assert problems(one) == [f"{time_name} at 12: time 9999 up to offset 45 is not what the "
                                 "log says"]
    with segment() as one:
        one.put(".snapshot", struct.pack(">hIi", 1, 7, 0))
        assert any("snapshot" in p for p in problems(one))


def damage_that_a_checksum_hides():
    """Each batch is sealed anew, so only its meaning is wrong."""
    log_name = f"{BASE:020d}.log"
    first, second, third = Segment.batches()
    for bad, want in (
            (batch(42, [b"c"], last=3), "ends with offset delta 0, not 3"),
            (batch(42, [b"c"], time=20, newest=99999), "its largest timestamp is 20, not 99999"),
            (batch(42, [b"c"], count=2), "a broken record behind offset delta 0"),
            (batch(43, [b"c"]), "offset 43 where 42 is the next")):
        with segment() as one:
            one.put(".log", first + bad)
            one.put(".index", b"")
            one.put(".timeindex", b"")
            assert f"{log_name} at {len(first)}: {want}" in problems(one), (want, problems(one))
    with segment() as one:  # What compaction leaves is a fault only where nothing compacts.
        one.put(".log", first + third)
        one.put(".index", b"")
        one.put(".timeindex", b"")
        assert "offset 43 where 42 is the next" in problems(one)[0]
        assert run("verify", "--gaps", one.folder).returncode in (0, 3)
    assert second


def only_the_last_segment_may_end_in_zeros():
    with segment() as one:
        with open(os.path.join(one.folder, f"{46:020d}.log"), "wb") as file:
            file.write(batch(46, [b"z"], epoch=3) + bytes(512))
        found = problems(one)
        assert found == [f"{BASE:020d}.log at {len(one.log)}: zeros at the end of a segment that "
                         "is not the last"], found
        with open(os.path.join(one.folder, f"{50:020d}.log"), "wb") as file:
            file.write(batch(50, [b"z"], epoch=3))
        assert any("begins at 50, but the one before ends at 47" in p for p in problems(one))


def small_files_are_checked():
    for name, text, want in (
            ("leader-epoch-checkpoint", "0\n2\n3 43\n0 40\n", "line 4 does not grow"),
            ("leader-epoch-checkpoint", "0\n5\n0 40\n", "line 3"),
            ("partition.metadata", "version: 0\ntopic_id: nonsense", "line 2")):
        with segment() as one:
            with open(os.path.join(one.folder, name), "w", encoding="utf-8") as file:
                file.write(text)
            assert any(p.startswith(name) and want in p for p in problems(one)), problems(one)
    with segment() as one:
        with open(os.path.join(one.folder, "leader-epoch-checkpoint"), "w",
                  encoding="utf-8") as file:
            file.write("0\n1\n0 40\n")
        done = run("verify", one.folder)
        assert done.returncode == 3 and "epoch 3 begins at offset 43" in done.stdout, done.stdout


def rows_of(*words):
    done = run("dump", "-o", "json", *words)
    assert done.returncode == 0, done.stderr
    return [row for row in map(json.loads, done.stdout.splitlines()) if "file" not in row]


def dump_decodes_the_metadata_log():
    """TopicRecord (2) version 0: name "abc" and an id; then a value that is no record."""
    with segment() as one:
        folder = os.path.join(os.path.dirname(one.folder), "__cluster_metadata-0")
        os.makedirs(folder)
        path = os.path.join(folder, f"{0:020d}.log")
        with open(path, "wb") as file:
            file.write(batch(0, [b"\x01\x02\x00\x04abc" + bytes(16) + b"\0", b"\xff\xfe"]))
        rows = rows_of(path)
        assert rows[1]["metadata"] == {"type": "TOPIC_RECORD", "version": 0, "data": {
            "name": "abc", "topicId": "AAAAAAAAAAAAAAAAAAAAAA"}}, rows
        assert "metadata" not in rows[2] and rows[2]["value_base64"] == "//4=", rows
        text = run("dump", path).stdout
        assert '"TOPIC_RECORD"' in text and "value \\xff\\xfe" in text, text


def dump_shows_batches_records_and_indexes():
    with segment() as one:
        rows = rows_of("--records", one.path(".log"))
        batches = [row for row in rows if "base_offset" in row]
        assert [(b["base_offset"], b["last_offset"]) for b in batches] == \
            [(40, 41), (42, 42), (43, 45)]
        assert all(b["checksum_good"] for b in batches)
        assert [r["value"] for r in rows if "value" in r] == ["a", "b", "c" * 50, "d", "e", "f"]
        rows = rows_of(one.path(".index"))
        assert rows[0] == {"offset": 42, "position": len(one.batches[0])} and len(rows) == 2
        text = run("dump", one.folder).stdout
        assert "4096 zero bytes" in text and "time 3002 up to offset 45" in text, text


def dump_of_a_damaged_batch_fails():
    with segment() as one:
        one.put(".log", one.log[:-1] + b"?")
        done = run("dump", one.path(".log"))
        assert done.returncode == 1 and "WRONG CHECKSUM" in done.stdout


def seal_copies_what_is_content_and_nothing_else():
    with segment() as one, tempfile.TemporaryDirectory() as other:
        run_directory = os.path.join(os.path.dirname(one.folder), ".millrace")
        os.makedirs(run_directory)
        target = os.path.join(other, "sealed")
        done = run("seal", os.path.dirname(one.folder) + "/", target)
        assert done.returncode == 0, done.stderr
        for suffix, want in ((".log", one.log), (".index", one.index),
                             (".timeindex", one.time_index)):
            with open(os.path.join(target, "t-0", f"{BASE:020d}{suffix}"), "rb") as file:
                assert file.read() == want, suffix
        assert os.path.exists(os.path.join(target, "t-0", "leader-epoch-checkpoint"))
        assert not os.path.exists(os.path.join(target, ".millrace"))
        assert run("seal", one.folder, target).returncode == 1  # Never over something.
        assert run("seal", one.folder, one.folder + "/inside").returncode == 2


def seal_leaves_out_what_was_deleted_and_copies_what_comes_in_as_it_is():
    with segment() as one, tempfile.TemporaryDirectory() as other:
        old = os.path.join(one.folder, f"{BASE - 20:020d}")
        for suffix in (".log.deleted", ".index.deleted", ".timeindex.deleted", ".index.swap",
                       ".log.cleaned"):
            with open(old + suffix, "wb") as file:
                file.write(b"x" * 24)
        target = os.path.join(other, "sealed")
        done = run("seal", one.folder, target)
        assert done.returncode == 0, done
        copied = [name for name in os.listdir(target) if name.startswith(f"{BASE - 20:020d}")]
        assert sorted(copied) == [f"{BASE - 20:020d}.index.swap", f"{BASE - 20:020d}.log.cleaned"]
        assert all(os.path.getsize(os.path.join(target, name)) == 24 for name in copied)


def seal_leaves_out_what_a_crash_tore_and_all_that_speaks_of_it():
    with segment() as one, tempfile.TemporaryDirectory() as other:
        one.put(".log", one.log[:-7] + bytes(4096))
        target = os.path.join(other, "sealed")
        done = run("seal", one.folder, target)
        assert done.returncode == 3, done
        assert run("verify", target).returncode == 0
        sizes = [os.path.getsize(os.path.join(target, f"{BASE:020d}{s}"))
                 for s in (".log", ".index", ".timeindex")]
        assert sizes == [sum(map(len, one.batches[:2])), 8, 12], sizes


def producers(marks, hashed):
    """A .producers of offset 46 beside a .snapshot that ends with (45, 3000, 9, 2)."""
    body = struct.pack(">iqhiqiqiq", 1, 7, 1, 9, 45, 2, 3000, -1, -1)
    crc = crc32c(body)
    batches = b"".join(struct.pack(">qqii", *mark) for mark in marks)
    return (struct.pack(">hI", 1, crc) + body,
            b"MRPM" + struct.pack(">HHqIIqhH", 1, 0, 46, crc, 1, 7, 1, len(marks)) + batches +
            struct.pack(">Q", hashed))


GOOD_MARKS = ((42, 2000, 4, 0), (45, 3000, 9, 2))
BAD_MARKS = ((42, 2000, 4, 0), (44, 3000, 9, 2))  # Not the snapshot's last.
GOOD_HASH, BAD_HASH = 0x5C02B5353990D165, 0xB08674E0239617F6


def the_memory_of_producers_is_dumped_and_verified():
    with segment() as one:
        snapshot, marks = (os.path.join(one.folder, f"{46:020d}{suffix}")
                           for suffix in (".snapshot", ".producers"))

        def put(made, path=(snapshot, marks)):
            for place, content in zip(path, made):
                with open(place, "wb") as file:
                    file.write(content)

        def verified():
            told = json.loads(run("verify", one.folder, "-o", "json").stdout)
            return [row["what"] for row in told["problems"] + told["warnings"]]

        put(producers(GOOD_MARKS, GOOD_HASH))
        assert verified() == []
        done = run("dump", marks, "-o", "json")
        rows = [json.loads(line) for line in done.stdout.splitlines()][1:]
        assert done.returncode == 0 and [
            (row["producer_id"], row["last_offset"], row["last_sequence"], row["timestamp"])
            for row in rows] == [(7, 42, 4, 2000), (7, 45, 9, 3000)], done
        assert "batch to sequence 4 to offset 42" in run("dump", marks).stdout
        put(producers(BAD_MARKS, BAD_HASH))
        assert verified() == ["producer 7 is not what the .snapshot says"]
        put(producers(GOOD_MARKS, GOOD_HASH ^ 1))
        assert verified() == ["damaged: one batch of each producer will be known"]
        assert run("dump", marks).returncode == 1
        put(producers(GOOD_MARKS, GOOD_HASH))
        put((struct.pack(">hIi", 1, crc32c(bytes(4)), 0),))
        assert verified() == ["belongs to another .snapshot"]
        os.unlink(snapshot)
        assert verified() == ["its .snapshot: No such file or directory"]


def missing_files_are_named():
    for verb in (("dump",), ("verify",)):
        done = run(*verb, "/nonexistent")
        assert done.returncode == 1 and "/nonexistent" in done.stdout + done.stderr


TESTS = [
    a_good_segment_has_no_problems,
    each_damage_is_found_and_named,
    dump_shows_batches_records_and_indexes,
    dump_of_a_damaged_batch_fails,
    damage_that_a_checksum_hides,
    only_the_last_segment_may_end_in_zeros,
    small_files_are_checked,
    dump_decodes_the_metadata_log,
    seal_leaves_out_what_a_crash_tore_and_all_that_speaks_of_it,
    seal_copies_what_is_content_and_nothing_else,
    seal_leaves_out_what_was_deleted_and_copies_what_comes_in_as_it_is,
    the_memory_of_producers_is_dumped_and_verified,
    missing_files_are_named,
]


if __name__ == "__main__":
    sys.exit(tap.run(TESTS))
