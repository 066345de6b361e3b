#!/usr/bin/env python3
"""Kafka's VerifiableConsumer with every assignor of both protocols, and what kafka-groups and
kafka-consumer-groups say of their groups and do with them."""

import datetime
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[1:3]]
import kafka_jvm  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal  # noqa: E402  pylint: disable=wrong-import-position

BOOTSTRAP = sys.argv[1]
tool = kafka_jvm.Tools(BOOTSTRAP).run
PARTITIONS, ROUND = 4, 200  # Records of a round.
SECONDS_MAX = 120  # For whatever has to come about; a loaded machine is slow.
ASSIGNOR = "org.apache.kafka.clients.consumer."
GROUPS = {
    "range": f"partition.assignment.strategy={ASSIGNOR}RangeAssignor",
    "roundrobin": f"partition.assignment.strategy={ASSIGNOR}RoundRobinAssignor",
    "sticky": f"partition.assignment.strategy={ASSIGNOR}StickyAssignor",
    "cooperative": f"partition.assignment.strategy={ASSIGNOR}CooperativeStickyAssignor",
    "uniform-848": "group.protocol=consumer group.remote.assignor=uniform",
    "range-848": "group.protocol=consumer group.remote.assignor=range",
}


class Consumers:
    """The members of all groups: what each has, and which offsets its group has consumed."""

    def __init__(self):
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(
            [*kafka_jvm.command("384m"), str(kafka_jvm.JAVA / "Consumers.java")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.has, self.consumed, self.errors = {}, {name: [] for name in GROUPS}, []
        self.lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            member, _, text = line.partition(" ")
            with self.lock:
                self._hear(member, member.partition(".")[0], json.loads(text))

    def _hear(self, member, group, event):
        places = {place["partition"] for place in event.get("partitions", [])}
        if event["name"] == "partitions_assigned":
            self.has[member] |= places
        elif event["name"] == "partitions_revoked":
            self.has[member] -= places
        elif event["name"] == "records_consumed":
            for place in event["partitions"]:
                self.consumed[group] += [(place["partition"], offset) for offset in
                                         range(place["minOffset"], place["maxOffset"] + 1)]
        elif event["name"] == "shutdown_complete":
            del self.has[member]

    def _say(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()

    def start(self, group, number):
        member = f"{group}.{number}"
        with self.lock:
            self.has[member] = set()
        self._say("start", member, f"subscribe-{group}", f"bootstrap.servers={BOOTSTRAP}",
                  f"group.id=subscribe-{group}", GROUPS[group])

    def close(self, group, number):
        self._say("close", f"{group}.{number}")

    def shared(self, group, members):
        """So many members have all partitions, and none twice."""
        with self.lock:
            sets = [has for name, has in self.has.items() if name.startswith(group + ".")]
        return len(sets) == members and all(sets) and \
            sum(map(len, sets)) == PARTITIONS == len(set().union(*sets))

    def until_shared(self, members):
        self.until(lambda group: self.shared(group, members), f"{members} members")

    def until_consumed(self, rounds):
        want = {(i, j) for i in range(PARTITIONS) for j in range(rounds * ROUND // PARTITIONS)}
        self.until(lambda group: want <= set(self.consumed[group]), f"{rounds} rounds")

    def until(self, done, what):
        end = time.monotonic() + SECONDS_MAX
        while not all(map(done, GROUPS)):
            late = [group for group in GROUPS if not done(group)]
            assert time.monotonic() < end and self.process.poll() is None, \
                f"{what}: {late} {self.has} {[len(self.consumed[group]) for group in late]}"
            time.sleep(0.1)


def send_round():
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    for group in GROUPS:
        for i in range(ROUND):
            producer.produce(f"subscribe-{group}", str(i), partition=i % PARTITIONS)
    equal(producer.flush(SECONDS_MAX), 0, "not flushed")


def members_share_and_miss_nothing(consumers):
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    topics = [NewTopic(f"subscribe-{group}", PARTITIONS, 1) for group in GROUPS]
    for future in admin.create_topics(topics).values():
        future.result(SECONDS_MAX)
    send_round()
    for group in GROUPS:
        consumers.start(group, 1)
    consumers.until_shared(1)
    consumers.until_consumed(1)
    for group in GROUPS:
        consumers.start(group, 2)
    consumers.until_shared(2)
    with consumers.lock:
        equal({len(has) for has in consumers.has.values()}, {2}, "each has half")
    send_round()
    consumers.until_consumed(2)


def rows_of(*arguments):
    """The table that kafka-consumer-groups writes, as a list of rows by their heads."""
    lines = [line.split() for line in tool("consumer-groups", *arguments).splitlines() if line]
    head = next((i for i, line in enumerate(lines) if line[0] == "GROUP"), None)
    assert head is not None, lines
    return [dict(zip(lines[head], line)) for line in lines[head + 1:] if line[0] != "GROUP"]


def eventually(check):
    """Commits and acknowledgements of what was heard of may still be under way."""
    end = time.monotonic() + SECONDS_MAX
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > end:
                raise


def groups_with_members_are_told(_):
    eventually(states_are_told)
    eventually(lags_are_told)
    text = tool("consumer-groups", "--reset-offsets", "--group", "subscribe-range", "--all-topics",
                "--to-earliest", "--execute", ok=False)
    assert "inactive" in text, text


def states_are_told():
    listed = {line.split()[0]: line.split()[1:3] for line in
              tool("groups", "--list").splitlines() if line.startswith("subscribe-")}
    equal(listed["subscribe-range"], ["Classic", "consumer"])
    equal(listed["subscribe-uniform-848"], ["Consumer", "consumer"])
    equal(set(listed), {f"subscribe-{group}" for group in GROUPS})
    states = {row["GROUP"]: (row["ASSIGNMENT-STRATEGY"], row["STATE"], row["#MEMBERS"]) for row in
              rows_of("--describe", "--all-groups", "--state", "--verbose")}
    for group, assignor in (("range", "range"), ("cooperative", "cooperative-sticky"),
                            ("uniform-848", "uniform"), ("range-848", "range")):
        equal(states[f"subscribe-{group}"], (assignor, "Stable", "2"), group)
    equal({line for line in tool("consumer-groups", "--list", "--state", "stable").split()
           if line.startswith("subscribe-")}, set(listed), "stable ones")
    for group in ("range", "uniform-848"):
        members = rows_of("--describe", "--group", f"subscribe-{group}", "--members", "--verbose")
        equal([row["#PARTITIONS"] for row in members], ["2", "2"], group)
        equal({row["CLIENT-ID"] for row in members}, {f"{group}.1", f"{group}.2"})


def lags_are_told():
    lags = {(row["GROUP"], row["PARTITION"]): row["LAG"] for row in
            rows_of("--describe", "--all-groups", "--offsets")
            if row["GROUP"].startswith("subscribe-")}
    equal((len(lags), set(lags.values())), (len(GROUPS) * PARTITIONS, {"0"}))


def a_member_goes_the_other_takes_over(consumers):
    for group in GROUPS:
        consumers.close(group, 1)
    consumers.until_shared(1)
    send_round()
    consumers.until_consumed(3)
    for group in GROUPS:
        consumers.close(group, 2)
    consumers.until(lambda _: not consumers.has, "all are gone")


def reset(group, *how, execute=True):
    rows = rows_of("--reset-offsets", "--group", f"subscribe-{group}", *how,
                   "--execute" if execute else "--dry-run")
    return {int(row["PARTITION"]): int(row["NEW-OFFSET"]) for row in rows}


def committed(group):
    return {int(row["PARTITION"]): int(row["CURRENT-OFFSET"]) for row in
            rows_of("--describe", "--group", f"subscribe-{group}")}


def offsets_are_reset_in_every_way(_):
    group, topic = "range", "subscribe-range"
    end = 3 * ROUND // PARTITIONS

    def all_at(offset):
        return dict.fromkeys(range(PARTITIONS), offset)
    equal(reset(group, "--topic", topic, "--to-earliest", execute=False), all_at(0), "dry run")
    equal(committed(group), all_at(end), "it was only a plan")
    for how, want in ((("--to-earliest",), 0), (("--shift-by", "7"), 7), (("--shift-by", "-3"), 4),
                      (("--to-offset", "20"), 20), (("--to-current",), 20),
                      (("--to-offset", "99999"), end), (("--to-latest",), end),
                      (("--by-duration", "PT1H"), 0),
                      (("--to-datetime", "2001-01-01T00:00:00.000"), 0)):
        equal(reset(group, "--all-topics", *how), all_at(want), str(how))
        equal(committed(group), all_at(want), str(how))
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    reset(group, "--topic", topic, "--to-datetime", now.strftime("%Y-%m-%dT%H:%M:%S.000"))
    equal(committed(group), all_at(end), "behind the last one")
    reset(group, "--topic", f"{topic}:1,2", "--to-offset", "5")
    equal(committed(group), {0: end, 1: 5, 2: 5, 3: end}, "of two partitions")
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as plan:
        plan.write(tool("consumer-groups", "--reset-offsets", "--group", topic, "--topic", topic,
                        "--to-offset", "11", "--export", "--dry-run"))
        plan.flush()
        reset(group, "--from-file", plan.name)
    equal(committed(group), all_at(11), "from a file")
    reset("uniform-848", "--topic", "subscribe-uniform-848", "--to-offset", "3")
    equal(committed("uniform-848"), all_at(3), "of the consumer protocol")


def offsets_and_groups_are_deleted(_):
    text = tool("consumer-groups", "--delete-offsets", "--group", "subscribe-range", "--topic",
                "subscribe-range:0")
    assert "Successful" in text, text
    equal(set(committed("range")), {1, 2, 3})
    names = [word for group in GROUPS for word in ("--group", f"subscribe-{group}")]
    text = tool("consumer-groups", "--delete", *names)
    assert "successful" in text, text
    left = tool("consumer-groups", "--list")
    assert "subscribe-" not in left, left
    text = tool("consumer-groups", "--describe", "--group", "subscribe-range", ok=False)
    assert "not found" in text, text


if __name__ == "__main__":
    tap = Tap()
    CONSUMERS = Consumers()
    for check in (members_share_and_miss_nothing, groups_with_members_are_told,
                  a_member_goes_the_other_takes_over, offsets_are_reset_in_every_way,
                  offsets_and_groups_are_deleted):
        tap.check(check.__name__, check, CONSUMERS)
    sys.exit(tap.done())
