#!/usr/bin/env python3
"""Exactly once, under fire: four movers read, transform and write in transactions that carry their
offsets, while movers, control and dataplane are killed.

In the end the output holds, for a committed reader, the transform of each record of the input, once
and in the order of its partition: a checker (history/history.h) goes through all that was done and
seen. Half of the movers are static members, which take their places back; the others' have to time
out. Every tenth transaction is aborted by its own mover.

    exactly_once.py --build build [--seconds 15] [--seed 1]
"""

import argparse
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(1, str(HERE.parent / "interop"))
sys.path.insert(2, str(HERE.parent))
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import clients_venv  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap  # noqa: E402  pylint: disable=wrong-import-position

clients_venv.need_clients()
from confluent_kafka import (OFFSET_BEGINNING, Consumer, KafkaError,  # noqa: E402
                             KafkaException, Producer, TopicPartition)
from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402

MOVERS = 4
COMMITTED, ABORTED, IN_DOUBT = "committed", "aborted", "in doubt"
OUTCOMES = [IN_DOUBT, COMMITTED, ABORTED]  # As the checker numbers them.
KINDS = ["lost", "unseen", "vanished", "torn", "duplicate", "aborted read", "divergent",
         "non-monotonic", "write cycle", "not moved", "moved twice", "out of order"]
PARTITIONS = 6
# A client that loses its connections within send_offsets_to_transaction may wait there for ever,
# with no request under way: such a mover dies, as of any other kill.
STUCK_SECONDS = 20
SECONDS_MAX = 300  # For whatever has to come about once nobody is killed any more.
CONFIG = "kafka:\n  group.min.session.timeout.ms: 1000\n  group.initial.rebalance.delay.ms: 0\n"
LATE = {"reconnect.backoff.max.ms": 500, "topic.metadata.refresh.interval.ms": 5000,
        "log_level": 2}


# ---- A mover: a process of its own, which ends with anything that it did not expect --------------

class Mover:
    def __init__(self, bootstrap, slot, notes, seed):
        self.slot, self.number, self.run = slot, 0, f"{slot}.{os.getpid()}"
        self.chance = random.Random(seed)
        self.notes = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        member = {"group.instance.id": f"mover-{slot}"} if slot % 2 == 0 else {}
        self.source = Consumer({"bootstrap.servers": bootstrap, "group.id": "movers", **member,
                                "isolation.level": "read_committed", "session.timeout.ms": 3000,
                                "heartbeat.interval.ms": 500, "enable.auto.commit": False,
                                "auto.offset.reset": "earliest", **LATE})
        self.sink = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"mover-{slot}",
                              "transaction.timeout.ms": 20000, "linger.ms": 1, **LATE})
        self.sink.init_transactions(60)
        self.source.subscribe(["in"])

    def note(self, **what):
        """One write each: a kill leaves whole lines."""
        os.write(self.notes, (json.dumps(what) + "\n").encode())

    def move(self, messages):
        self.number += 1
        name = f"{self.run}.{self.number}"
        writes = [(message.partition(),
                   f"{name}/{message.offset()}/{message.value().decode()}")
                  for message in messages]
        aborts = self.chance.random() < 0.1
        self.note(begins=name, writes=writes)
        self.sink.begin_transaction()
        for partition, value in writes:
            self.sink.produce("out", value, partition=partition)
        self.sink.send_offsets_to_transaction(self.source.position(self.source.assignment()),
                                              self.source.consumer_group_metadata(), 30)
        if aborts:
            self.sink.flush(30)
            self.note(ends=name, outcome=ABORTED)  # Before: it never asks for the other.
            self.sink.abort_transaction(30)
            self.back(messages)
        else:
            self.sink.commit_transaction(30)
            self.note(ends=name, outcome=COMMITTED)

    def back(self, messages):
        first = {}
        for message in messages:
            first.setdefault(message.partition(), message.offset())
        for partition, offset in first.items():
            self.source.seek(TopicPartition("in", partition, offset))

    def work(self):
        while True:
            messages = self.source.consume(self.chance.randrange(1, 40), 0.2)
            good = [message for message in messages if not message.error()]
            if good:
                signal.alarm(STUCK_SECONDS)
                self.move(good)
                signal.alarm(0)


# ---- What stands beside the movers ----------------------------------------------------------

class Fleet:
    """The movers' processes, each made anew when it has ended."""

    def __init__(self, bootstrap, notes, chance):
        self.bootstrap, self.notes, self.chance = bootstrap, notes, chance
        self.processes = [None] * MOVERS
        self.began = 0
        self.output = open(notes.with_suffix(".err"), "ab")

    def tend(self):
        for slot, process in enumerate(self.processes):
            if process is None or process.poll() is not None:
                self.began += 1
                self.processes[slot] = subprocess.Popen(
                    [sys.executable, __file__, "--mover", str(slot), "--bootstrap",
                     self.bootstrap, "--notes", str(self.notes), "--seed",
                     str(self.chance.getrandbits(30))], stdin=subprocess.DEVNULL,
                    stdout=self.output, stderr=self.output)

    def kill_one(self):
        self.chance.choice(self.processes).kill()

    def end(self):
        for process in self.processes:
            if process is not None:
                process.kill()
                process.wait()
        self.output.close()


class Beside(threading.Thread):
    """A thread that goes on until it is told to end; what it raises is kept."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stops, self.fault = threading.Event(), None

    def run(self):
        try:
            while not self.stops.is_set():
                self.step()
            self.finish()
        except Exception as fault:  # pylint: disable=broad-except
            self.fault = fault

    def done(self):
        self.stops.set()
        self.join(SECONDS_MAX)
        assert not self.is_alive(), f"{type(self).__name__} does not end"
        if self.fault is not None:
            raise self.fault

    def finish(self):
        pass


class Feeder(Beside):
    """Fills the input, in order."""

    def __init__(self, bootstrap):
        super().__init__()
        self.count = 0
        self.producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True,
                                  "linger.ms": 5, **LATE})

    def step(self):
        for _ in range(10):
            self.producer.produce("in", str(self.count), partition=self.count % PARTITIONS)
            self.count += 1
        self.producer.poll(0)
        time.sleep(0.02)

    def finish(self):
        assert self.producer.flush(SECONDS_MAX) == 0, "the input could not be written"


class Reader:
    """A committed reader of all of a topic. Where it is, only the ends of partitions tell: behind
    the last record there may be markers."""

    def __init__(self, bootstrap, topic):
        self.topic, self.ends = topic, [0] * PARTITIONS
        self.consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "readers",
                                  "isolation.level": "read_committed",
                                  "enable.auto.commit": False, "enable.partition.eof": True,
                                  "auto.offset.reset": "error", **LATE})
        self.consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)
                              for partition in range(PARTITIONS)])

    def read(self):
        """(partition, offset, value) of what is there."""
        found = []
        for message in self.consumer.consume(500, 0.2):
            if not message.error():
                found.append((message.partition(), message.offset(), message.value().decode()))
            elif message.error().code() == KafkaError._PARTITION_EOF:
                self.ends[message.partition()] = message.offset()
        return found

    def rest(self):
        """Everything up to the end that there is now."""
        deadline = time.monotonic() + SECONDS_MAX
        wanted = None
        while wanted is None:
            assert time.monotonic() < deadline, f"nobody tells where {self.topic} ends"
            wanted = last_stable(self.consumer, self.topic)
        found = self.read()
        while any(got < want for got, want in zip(self.ends, wanted)):
            assert time.monotonic() < deadline, \
                f"{self.topic} is never read to its end: {self.ends} of {wanted}"
            found += self.read()
        self.consumer.close()
        return found


def last_stable(consumer, topic):
    """The ends of all partitions; None while nobody answers."""
    try:
        return [consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=5)[1]
                for partition in range(PARTITIONS)]
    except KafkaException:
        return None


class Observer(Beside):
    """Reads the output as it grows, and in the end all of it."""

    def __init__(self, bootstrap):
        super().__init__()
        self.reader, self.polls = Reader(bootstrap, "out"), []

    def keep(self, found):
        self.polls += found

    def step(self):
        self.keep(self.reader.read())

    def finish(self):
        self.keep(self.reader.rest())


def read_all(bootstrap, topic):
    """partition -> [(offset, value)] of a committed reader."""
    logs = {partition: [] for partition in range(PARTITIONS)}
    for partition, offset, value in Reader(bootstrap, topic).rest():
        logs[partition].append((offset, value))
    return logs


# ---- The history ----------------------------------------------------------

class History:
    """What was done and seen, in the checker's lines; its numbers count from 1 on."""

    def __init__(self):
        self.lines, self.names, self.values, self.inputs = [], [], {}, {}
        self.outcomes = {}

    def input(self, logs):
        for partition, log in logs.items():
            for offset, value in log:
                self.inputs[partition, f"{offset}/{value}"] = len(self.inputs) + 1
                self.lines.append(f"I {partition}")

    def done(self, notes):
        """Outcomes as the movers were told them; one that died meanwhile leaves its last in
        doubt."""
        told = [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()]
        self.outcomes = {what["begins"]: IN_DOUBT for what in told if "begins" in what}
        self.outcomes.update({what["ends"]: what["outcome"] for what in told if "ends" in what})
        for what in told:
            if "begins" in what:
                self.names.append(what["begins"])
                self.lines.append(f"T {OUTCOMES.index(self.outcomes[what['begins']])}")
                for partition, value in what["writes"]:
                    self.write(partition, value)

    def write(self, partition, value):
        self.values[value] = len(self.values) + 1
        nowhere = len(self.inputs) + 1
        source = self.inputs.get((partition, value.split("/", 1)[1]), nowhere)
        self.lines.append(f"W {len(self.names)} {partition} {source}")

    def seen(self, polls, logs):
        """What nobody wrote is told at once."""
        self.lines.append("O 0 1")
        strange = [one for one in polls + [(partition, *entry) for partition, log in logs.items()
                                           for entry in log] if one[2] not in self.values]
        for partition, offset, value in polls:
            if value in self.values:
                self.lines.append(f"P 0 {partition} {offset} {self.values[value]}")
        for partition, log in logs.items():
            self.lines += [f"L {partition} {offset} {self.values[value]}"
                           for offset, value in log if value in self.values]
        return strange

    def faults(self, checker, file):
        """kind -> what is wrong, with the names of transactions and values."""
        file.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        ran = subprocess.run([checker, str(file)], stdout=subprocess.PIPE, check=False, text=True)
        *found, summary = ran.stdout.splitlines() or ["no answer"]
        print(f"# {summary}", flush=True)
        assert ran.returncode == (1 if found else 0), f"{checker} ends with {ran.returncode}"
        values = list(self.values)
        told = {kind: [] for kind in KINDS}
        for line in found:
            kind, words = line.split("\t")
            words = re.sub(r"transaction (\d+)",
                           lambda match: f"transaction {self.names[int(match[1]) - 1]}", words)
            told[kind].append(re.sub(r"value (\d+)",
                                     lambda match: f"value {values[int(match[1]) - 1]}", words))
        return told


# ---- The test ----------------------------------------------------------

def fire(broker, fleet, chance, seconds):
    """Kills by turns of chance; how often each."""
    kills = {"mover": 0, "control": 0, "dataplane": 0}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        until = time.monotonic() + chance.uniform(0.5, 2.5)
        while time.monotonic() < until:
            fleet.tend()
            time.sleep(0.1)
        victim = chance.choices(list(kills), [4, 3, 3])[0]
        kills[victim] += 1
        if victim == "mover":
            fleet.kill_one()
        else:
            broker.kill(victim)
    return kills


def drain(bootstrap, fleet):
    """Until all of the input is committed."""
    watcher = Consumer({"bootstrap.servers": bootstrap, "group.id": "movers", **LATE})
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        assert time.monotonic() < deadline, "the movers do not come to the end of the input"
        fleet.tend()
        ends = last_stable(watcher, "in")
        try:
            found = watcher.committed([TopicPartition("in", partition)
                                       for partition in range(PARTITIONS)], timeout=5)
        except KafkaException:
            continue
        if ends is not None and [place.offset for place in found] == ends:
            break
        time.sleep(0.1)
    watcher.close()


def make_topics(bootstrap):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(name, PARTITIONS, 1)
                                       for name in ("in", "out")]).values():
        future.result(60)


def run(tap, broker, options):
    chance = random.Random(options.seed)
    make_topics(broker.bootstrap)
    notes = broker.folder / "notes"
    notes.touch()
    feeder, observer = Feeder(broker.bootstrap), Observer(broker.bootstrap)
    fleet = Fleet(broker.bootstrap, notes, chance)
    try:
        feeder.start()
        observer.start()
        kills = fire(broker, fleet, chance, options.seconds)
        feeder.done()
        drain(broker.bootstrap, fleet)
    finally:
        fleet.end()
    # A mover may have died with a transaction open, aborted or not: its next one ends it.
    for slot in range(MOVERS):
        Producer({"bootstrap.servers": broker.bootstrap,
                  "transactional.id": f"mover-{slot}"}).init_transactions(60)
    observer.done()
    source, logs = read_all(broker.bootstrap, "in"), read_all(broker.bootstrap, "out")
    history = History()
    history.input(source)
    history.done(notes)
    strange = history.seen(observer.polls, logs)
    outcomes = list(history.outcomes.values())
    print(f"# {feeder.count} records, {fleet.began} movers, killed {kills}; transactions:",
          {outcome: outcomes.count(outcome) for outcome in OUTCOMES}, flush=True)
    tap.that("there were deaths and transactions", sum(kills.values()) > 0
             and COMMITTED in outcomes and feeder.count > 0, (kills, len(outcomes)))
    tap.faults("nothing is read that nobody wrote", strange)
    for kind, found in history.faults(options.checker, broker.folder / "history").items():
        tap.faults(f"nothing of this kind: {kind}", found)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--checker")
    parser.add_argument("--mover", type=int)
    parser.add_argument("--bootstrap")
    parser.add_argument("--notes")
    options = parser.parse_args()
    if options.mover is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        Mover(options.bootstrap, options.mover, options.notes, options.seed).work()
    options.checker = options.checker or f"{options.build}/tests/history/check_history"
    tap = Tap()
    with brokers.Millrace(options.build, config=CONFIG) as broker:
        try:
            run(tap, broker, options)
        except AssertionError as fault:
            tap.that("it comes to an end", False, fault)
            for words in (["txn", "list"], ["group", "show", "movers"]):
                told = subprocess.run([broker.tool, *words, "--bootstrap", broker.bootstrap],
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      timeout=60, check=False)
                print("# " + told.stdout.decode(errors="replace").replace("\n", "\n# "))
        if tap.failed:
            print("\n".join(f"# {line}" for line in broker.logs().splitlines()))
            tail = (broker.folder / "notes.err").read_text(errors="replace").splitlines()[-30:]
            print("\n".join(f"# {line}" for line in tail), flush=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
