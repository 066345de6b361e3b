"""tools/lib/suite_targets.py names what the tests of some suites need. Speaks TAP."""

import os
import sys

sys.path.insert(0, os.path.join(sys.argv[1], "tools", "lib"))
import suite_targets  # noqa: E402

TARGETS = [
    {"id": "program", "type": "executable", "name": "millrace-control"},
    {"id": "helper", "type": "executable", "name": "bench_disk"},
    {"id": "one", "type": "executable", "name": "test_one"},
    {"id": "two", "type": "executable", "name": "test_two"},
]
TESTS = [
    {"suite": ["millrace:unit"], "depends": ["one"]},
    {"suite": ["millrace:sim", "millrace:long"], "depends": ["two"]},
]
CASES = [
    ("a suite's tests and the programs", ["unit"], {"program", "one"}),
    ("several suites", ["unit", "long"], {"program", "one", "two"}),
    ("a suite without tests", ["none"], {"program"}),
]


def main():
    print(f"1..{len(CASES)}")
    bad = 0
    for number, (what, suites, want) in enumerate(CASES, 1):
        good = suite_targets.targets_of(TESTS, TARGETS, suites) == want
        bad += not good
        print(f"{'ok' if good else 'not ok'} {number} - {what}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
