"""Request bytes written by hand, for peers that do not play by the rules."""

import struct

# Shapes from the public protocol guide: (api key, versions, body for a version).


def framed(body):
    return struct.pack(">i", len(body)) + body


def string(text):
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def compact(text):
    data = text.encode()
    return uvarint(len(data) + 1) + data


def uvarint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def header(key, version, flexible):
    return struct.pack(">hhi", key, version, 7) + string("hostile") + (b"\0" if flexible else b"")


def api_versions_request():
    return header(18, 0, False)


def produce_request(topic, partition, batch):
    return (header(0, 3, False) + struct.pack(">hhii", -1, 1, 10000, 1) + string(topic) +
            struct.pack(">iii", 1, partition, len(batch)) + batch)


def produce_error(answer):
    """The error code of a version 3 produce answer for one partition; None when too short."""
    try:
        at = 4 + 4 + 4
        length, = struct.unpack_from(">h", answer, at)
        at += 2 + length + 4 + 4
        return struct.unpack_from(">h", answer, at)[0]
    except struct.error:
        return None


def fetch_request(topic, partition, offset, size):
    return (header(1, 4, False) + struct.pack(">iiiib", -1, 100, 1, size, 0) +
            struct.pack(">i", 1) + string(topic) + struct.pack(">iiqi", 1, partition, offset, size))


def crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


def crc32c(data, table=tuple(crc32c_table())):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xff]
    return crc ^ 0xFFFFFFFF


def record_batch(records, codec=0, count=1, base_offset=0):
    tail = struct.pack(">hiqqqhii", codec, count - 1, 1_700_000_000_000, 1_700_000_000_000, -1, -1,
                       -1, count) + records
    body = struct.pack(">ibI", -1, 2, crc32c(tail)) + tail
    return struct.pack(">qi", base_offset, len(body)) + body


def _bodies():
    """(key, version, flexible, body): one plausible request of each served API, old and new."""
    batch = record_batch(b"\x10\0\0\0\1\2a\0", 0, 1)
    uuid = bytes(16)
    yield 18, 0, False, b""
    yield 18, 3, True, compact("hostile") + compact("1.0") + b"\0"
    yield 3, 1, False, struct.pack(">i", 1) + string("witness")
    yield 3, 12, True, uvarint(2) + uuid + compact("witness") + b"\0" + b"\1\0\0"
    yield 0, 3, False, produce_request("hostile", 0, batch)[len(header(0, 3, False)):]
    yield 0, 9, True, (b"\0" + struct.pack(">hi", -1, 1000) + uvarint(2) + compact("hostile") +
                       uvarint(2) + struct.pack(">i", 0) + uvarint(len(batch) + 1) + batch +
                       b"\0\0\0")
    yield 1, 4, False, fetch_request("witness", 0, 0, 1000)[len(header(1, 4, False)):]
    yield 1, 12, True, (struct.pack(">iiiibii", -1, 1, 1, 1000, 0, 0, 0) + uvarint(2) +
                        compact("witness") + uvarint(2) +
                        struct.pack(">iiqiqi", 0, -1, 0, -1, -1, 1000) + b"\0\0" + b"\1" + b"\1" +
                        b"\0")
    yield 2, 1, False, (struct.pack(">ii", -1, 1) + string("witness") +
                        struct.pack(">iiq", 1, 0, -1))
    yield 2, 7, True, (struct.pack(">ib", -1, 0) + uvarint(2) + compact("witness") + uvarint(2) +
                       struct.pack(">iiq", 0, -1, -1) + b"\0\0\0")
    yield 23, 4, True, (struct.pack(">i", -1) + uvarint(2) + compact("witness") + uvarint(2) +
                        struct.pack(">iii", 0, -1, 0) + b"\0\0\0")
    yield 22, 0, False, struct.pack(">hi", -1, 1000)
    yield 22, 4, True, b"\0" + struct.pack(">iqh", 1000, -1, -1) + b"\0"
    yield 19, 2, False, (struct.pack(">i", 1) + string("hostile-made") +
                         struct.pack(">ihii", 1, 1, 0, 0) + struct.pack(">ib", 1000, 1))
    yield 20, 1, False, struct.pack(">i", 1) + string("hostile-none") + struct.pack(">i", 1000)
    yield 21, 0, False, (struct.pack(">i", 1) + string("hostile-none") +
                         struct.pack(">iiq", 1, 0, 1) + struct.pack(">i", 1000))
    yield 32, 1, False, (struct.pack(">ib", 1, 2) + string("witness") + struct.pack(">ib", -1, 0))
    yield 33, 0, False, (struct.pack(">ib", 1, 2) + string("hostile-none") + struct.pack(">i", 0) +
                         b"\1")
    yield 44, 0, False, (struct.pack(">ib", 1, 2) + string("hostile-none") + struct.pack(">i", 0) +
                         b"\1")
    yield 35, 1, False, struct.pack(">i", -1)
    yield 37, 0, False, (struct.pack(">i", 1) + string("hostile-none") + struct.pack(">ii", 2, -1) +
                         struct.pack(">ib", 1000, 1))
    yield 43, 0, False, (struct.pack(">i", 1) + string("hostile-none") + struct.pack(">ii", 1, 0) +
                         struct.pack(">i", 1000))
    yield 45, 0, True, struct.pack(">i", 1000) + b"\1\0"
    yield 46, 0, True, struct.pack(">i", 1000) + b"\0\0"
    yield 60, 0, True, b"\0\0"
    yield 61, 0, True, uvarint(2) + compact("witness") + uvarint(2) + struct.pack(">i", 0) + b"\0\0"
    yield 74, 0, True, b"\0"
    yield 75, 0, True, uvarint(2) + compact("witness") + b"\0" + struct.pack(">i", 10) + b"\xff\0"


def all_requests():
    for key, version, flexible, body in _bodies():
        yield header(key, version, flexible) + body
