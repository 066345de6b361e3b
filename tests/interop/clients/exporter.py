#!/usr/bin/env python3
"""kafka_exporter beside the node's own /metrics: under its names stand the same labels and values.

What is meant to differ is in `as_ours`, each with its reason.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

sys.path[:0] = [str(path) for path in pathlib.Path(__file__).resolve().parents[1:3]]
from ports import free_port  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap, equal, skip_all  # noqa: E402  pylint: disable=wrong-import-position
# pylint: disable-next=wrong-import-position
from watched import PARTITIONS, Watched, fetch, until  # noqa: E402

BOOTSTRAP, DATA = sys.argv[1:3]  # No data directory: not our broker.
GROUP_ROWS = ("kafka_consumergroup_current_offset", "kafka_consumergroup_lag")
SUM = "kafka_consumergroup_current_offset_sum"


def samples(page):
    """{(name, labels): value} of its families."""
    found = {}
    for line in (page or "").splitlines():
        match = re.match(r'(kafka_\w+)(?:\{(.*)\})? (\S+)$', line)
        if match and match[1] != "kafka_exporter_build_info":  # Of the exporter itself.
            labels = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or "")
            found[match[1], tuple(sorted(labels))] = float(match[3])
    return found


def as_ours(theirs):
    """The exporter's, without what is meant to differ."""
    found = dict(theirs)
    for (name, labels), value in theirs.items():
        told = dict(labels)
        if name in GROUP_ROWS and value == -1:
            # Partitions of a topic in which nothing is committed: a row that says so for each group
            # and partition would have no bound. The exporter takes 1 off the sum for each.
            del found[name, labels]
            if name == GROUP_ROWS[0]:
                key = SUM, tuple((label, told[label]) for label in ("consumergroup", "topic"))
                found[key] += 1
        elif name == "kafka_consumergroup_members" and told["consumergroup"] == "watch-consumer":
            equal(value, 0, "it asks for groups of the classic protocol only")
            found[name, labels] = 1
    return found


def differences(theirs, ours):
    return [f"{key}: theirs {theirs.get(key)}, ours {ours.get(key)}"
            for key in sorted(set(theirs) | set(ours)) if theirs.get(key) != ours.get(key)]


def the_same_is_told(port, http):
    seen = ["nothing answers"]

    def equal_now():
        theirs = samples(fetch(f"http://127.0.0.1:{port}/metrics"))
        ours = samples(fetch(f"http://{http}/metrics"))  # Of the last look: later than theirs.
        if theirs and ours:
            seen[:] = differences(as_ours(theirs), ours)
        return None if seen else theirs
    theirs = until(equal_now, lambda: "\n".join(seen[:20]))
    names = {name for name, _ in theirs}
    assert {*GROUP_ROWS, SUM, "kafka_consumergroup_lag_sum", "kafka_consumergroup_members",
            "kafka_topic_partition_current_offset", "kafka_brokers"} <= names, names
    lag = [value for (name, labels), value in theirs.items() if name == GROUP_ROWS[1] and
           ("consumergroup", "watch-classic") in labels]
    equal(len(lag), PARTITIONS, "rows of a group")
    return theirs


def what_is_told_follows(watched, port, http, before):
    watched.send(2)
    after = the_same_is_told(port, http)
    key = "kafka_consumergroup_lag_sum", (("consumergroup", "watch-classic"), ("topic", "watched"))
    equal((before[key], after[key]), (0, 2 * PARTITIONS), "lag")


def main():
    if not DATA:
        skip_all("Kafka has no such page")
    tool = os.environ["MILLRACE_TEST_TOOL"]
    http = json.loads(subprocess.run([tool, "status", "--data", DATA, "-o", "json"], timeout=60,
                                     stdout=subprocess.PIPE, check=True).stdout)["http"]
    tap, watched, port, told = Tap(), Watched(BOOTSTRAP), free_port(), {}
    watched.commit('some "of" it\\ü', {("watched", 1): 7})
    with subprocess.Popen([os.environ["MILLRACE_TEST_PROGRAM"], f"--kafka.server={BOOTSTRAP}",
                           f"--web.listen-address=127.0.0.1:{port}", "--refresh.metadata=1s"],
                          stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as exporter:
        try:
            if tap.check("the same names, labels and values",
                         lambda: told.update(the_same_is_told(port, http))):
                tap.check("what is told follows what happens", what_is_told_follows, watched, port,
                          http, told)
        finally:
            exporter.terminate()
    watched.close()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
