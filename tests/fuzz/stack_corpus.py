#!/usr/bin/env python3
"""The corpus of the stack's fuzz target, between the file that is kept and a folder for libFuzzer:
stack_corpus.py unpack FOLDER | pack FOLDER. After a run, and before pack:
fuzz_stack -merge=1 -use_counters=0 -max_len=1200 FRESH FOLDER"""

import hashlib
import pathlib
import struct
import sys

FILE = pathlib.Path(__file__).resolve().parent / "corpus" / "stack_frames"


def unpack(folder):
    data = FILE.read_bytes()
    at = 0
    while at < len(data):
        (count,) = struct.unpack_from(">H", data, at)
        part = data[at + 2:at + 2 + count]
        (folder / hashlib.sha1(part).hexdigest()).write_bytes(part)
        at += 2 + count


def pack(folder):
    parts = sorted((path.read_bytes() for path in folder.iterdir()), key=lambda p: (len(p), p))
    FILE.write_bytes(b"".join(struct.pack(">H", len(part)) + part for part in parts))


if __name__ == "__main__":
    {"unpack": unpack, "pack": pack}[sys.argv[1]](pathlib.Path(sys.argv[2]))
