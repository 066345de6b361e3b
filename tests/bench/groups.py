"""Many groups: ten thousand at once, and a million committed offsets read again by a control
process that was killed. Every offset is read back and compared.
"""

import concurrent.futures
import pathlib
import signal
import struct
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "crash"))
import frames  # noqa: E402  pylint: disable=wrong-import-position

LANES = 16  # Connections; of each one request is with control at a time.
SEATS = 50  # offsets.topic.num.partitions
PARTITIONS = 1000
LOADING = 14  # COORDINATOR_LOAD_IN_PROGRESS
SESSION_MS = 600000
SECONDS_MAX = 60


class Reader:
    """An answer from behind its correlation id on."""

    def __init__(self, answer, at=4):
        self.answer, self.at = answer, at

    def take(self, layout):
        values = struct.unpack_from(layout, self.answer, self.at)
        self.at += struct.calcsize(layout)
        return values[0]

    def number(self):
        return self.take(">i")

    def code(self):
        return self.take(">h")

    def text(self, layout=">h"):
        size = max(self.take(layout), 0)
        self.at += size
        return self.answer[self.at - size:self.at]


def data(value):
    return struct.pack(">i", len(value)) + value


def join_request(group):
    """JoinGroup, version 2."""
    return (frames.header(11, 2, False) + frames.string(group) +
            struct.pack(">ii", SESSION_MS, SESSION_MS) + frames.string("") +
            frames.string("consumer") + struct.pack(">i", 1) + frames.string("range") + data(b"m"))


def sync_request(group, generation, member):
    """SyncGroup, version 1; the only member leads."""
    name = struct.pack(">h", len(member)) + member
    return (frames.header(14, 1, False) + frames.string(group) + struct.pack(">i", generation) +
            name + struct.pack(">i", 1) + name + data(group.encode()))


def commit_request(group, generation, member, topic, offsets):
    """OffsetCommit, version 2. offsets: by partition."""
    return (frames.header(8, 2, False) + frames.string(group) + struct.pack(">ih", generation,
                                                                            len(member)) +
            member + struct.pack(">qi", -1, 1) + frames.string(topic) +
            struct.pack(">i", len(offsets)) +
            b"".join(struct.pack(">iqh", index, offset, 0) for index, offset in offsets))


def commit_errors(answer):
    """The error codes of its one topic."""
    reader = Reader(answer, 8)
    reader.text()
    return {struct.unpack_from(">ih", answer, reader.at + 6 * i)[1]
            for i in range(reader.number())}


def fetch_request(group, topic, partitions):
    """OffsetFetch, version 1."""
    return (frames.header(9, 1, False) + frames.string(group) + struct.pack(">i", 1) +
            frames.string(topic) + struct.pack(f">i{len(partitions)}i", len(partitions),
                                               *partitions))


def fetched(answer):
    """(partition, offset, error) of its one topic."""
    reader = Reader(answer, 8)
    reader.text()
    found = []
    for _ in range(reader.number()):
        partition, offset = reader.number(), reader.take(">q")
        reader.text()
        found.append((partition, offset, reader.code()))
    return found


def live(call, group, topic, index):
    """Joins as the only member, syncs, and commits one offset."""
    reader = Reader(call(join_request(group)), 8)
    code, generation = reader.code(), reader.number()
    reader.text()
    reader.text()
    member = reader.text()
    assert code == 0, f"JoinGroup of {group}: error {code}"
    reader = Reader(call(sync_request(group, generation, member)), 8)
    code = reader.code()
    assert code == 0 and reader.text(">i") == group.encode(), f"SyncGroup of {group}: error {code}"
    errors = commit_errors(call(commit_request(group, generation, member, topic, [(0, index)])))
    assert errors == {0}, f"OffsetCommit of {group}: errors {errors}"


def over_lanes(connect, work, count):
    """work(call, index) for each index, over LANES connections."""
    def lane(first):
        call = connect()
        for index in range(first, count, LANES):
            work(call, index)
    with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
        for done in [pool.submit(lane, first) for first in range(LANES)]:
            done.result()


def listed(call):
    """The groups ListGroups names, version 1."""
    reader = Reader(call(frames.header(16, 1, False)), 8)
    code = reader.code()
    assert code == 0, f"ListGroups: error {code}"
    return {(reader.text(), reader.text())[0].decode() for _ in range(reader.number())}


def described(call, groups):
    """group: (error, state, its members' assignments), by one DescribeGroups, version 1."""
    body = struct.pack(">i", len(groups)) + b"".join(map(frames.string, groups))
    reader = Reader(call(frames.header(15, 1, False) + body), 8)
    found = {}
    for _ in range(reader.number()):
        code, group, state = reader.code(), reader.text().decode(), reader.text().decode()
        reader.text()
        reader.text()
        assignments = []
        for _ in range(reader.number()):
            reader.text()
            reader.text()
            reader.text()
            reader.text(">i")
            assignments.append(reader.text(">i"))
        found[group] = (code, state, assignments)
    return found


def wait_for_coordinators(call, topic):
    """Until each of them is there; FindCoordinator makes their topic."""
    call(frames.header(10, 1, False) + frames.string("first") + b"\0")
    groups = one_of_each_seat()
    deadline = time.monotonic() + SECONDS_MAX
    while any(fetched(call(fetch_request(group, topic, [0])))[0][2] != 0 for group in groups):
        assert time.monotonic() < deadline, "coordinators do not come"
        time.sleep(0.01)


def seat_of(group):
    """Java's String.hashCode, without its sign."""
    value = 0
    for letter in group.encode():
        value = (31 * value + letter) & 0xffffffff
    return (value & 0x7fffffff) % SEATS


def one_of_each_seat(count=1000):
    """Names of groups, of which each has another coordinator."""
    return list({seat_of(name): name for name in map(group_name, range(count))}.values())


def group_name(index):
    return f"group-{index}"


def many(connect, topic, count):
    """Seconds to make, list, describe and read so many groups of one member each."""
    call = connect()
    wait_for_coordinators(call, topic)
    names = [group_name(index) for index in range(count)]
    marks = [time.monotonic()]
    over_lanes(connect, lambda own, index: live(own, names[index], topic, index), count)
    marks.append(time.monotonic())
    there = listed(call)
    marks.append(time.monotonic())
    shown = described(call, names)
    marks.append(time.monotonic())

    def read(own, index):
        found = fetched(own(fetch_request(names[index], topic, [0])))
        assert found == [(0, index, 0)], f"{names[index]} has {found}"
    over_lanes(connect, read, count)
    marks.append(time.monotonic())
    assert there == set(names), f"{len(there)} groups are listed"
    for name in names:
        assert shown[name] == (0, "Stable", [name.encode()]), f"{name}: {shown[name]}"
    return [after - before for before, after in zip(marks, marks[1:])]


def offsets_of(index):
    return [(partition, index * PARTITIONS + partition) for partition in range(PARTITIONS)]


def fill(connect, topic, count):
    """count offsets, of PARTITIONS in each group."""
    wait_for_coordinators(connect(), topic)

    def commit(call, index):
        request = commit_request(group_name(index), -1, b"", topic, offsets_of(index))
        errors = commit_errors(call(request))
        assert errors == {0}, f"{group_name(index)}: errors {errors}"
    over_lanes(connect, commit, count // PARTITIONS)


def load(broker, connect, topic, count):
    """(seconds from kill -9 of control until all coordinators answer, those of loading among them:
    from the first that is read until all have been)."""
    call = connect()
    groups = one_of_each_seat(count // PARTITIONS)
    begin, loading = time.monotonic(), None
    broker.kill("control", signal.SIGKILL)
    while groups:
        error = fetched(call(fetch_request(groups[-1], topic, [0])))[0][2]
        if error in (0, LOADING) and loading is None:
            loading = time.monotonic()
        if error == 0:
            groups.pop()
        else:
            time.sleep(0.001)
        assert time.monotonic() < begin + SECONDS_MAX, f"not loaded: error {error}"
    end = time.monotonic()

    def check(own, index):
        found = fetched(own(fetch_request(group_name(index), topic, list(range(PARTITIONS)))))
        assert found == [(*offset, 0) for offset in offsets_of(index)], f"{group_name(index)}"
    over_lanes(connect, check, count // PARTITIONS)
    return end - begin, end - loading
