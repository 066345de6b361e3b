"""Sums what one `meson test` run did of a suite: sum_tests.py TESTLOG_JSON SUITE -> "PASSED FAILED
SKIPPED".

What failed, and why in its own words, goes to stderr. A TAP test counts its subtests, any other
test counts once. A test that ended badly without naming a failed subtest (crash, time limit, wrong
plan) counts as one failure.
"""

import json
import re
import sys

LINE = re.compile(r"^(not ok|ok)\b[^#\n]*(#\s*skip\b)?", re.I | re.M)


def count(test):
    """(passed, failed, skipped) of one record of testlog.json."""
    out = test.get("stdout") or ""
    result = test["result"]
    if not re.search(r"^1\.\.\d+", out, re.M):
        if result == "SKIP":
            return 0, 0, 1
        return (1, 0, 0) if result in ("OK", "EXPECTEDFAIL") else (0, 1, 0)
    passed = failed = skipped = 0
    for word, skip in LINE.findall(out):
        if skip:
            skipped += 1
        elif word.lower() == "ok":
            passed += 1
        else:
            failed += 1
    if re.search(r"^1\.\.0\s*# *skip", out, re.M | re.I):
        skipped += 1
    if result not in ("OK", "SKIP", "EXPECTEDFAIL") and failed == 0:
        failed = 1
    return passed, failed, skipped


def of_suite(test, suite):
    """Meson names a test "project:suite / name"."""
    return test["name"].split(" / ")[0].split(":")[-1] == suite


def show(test):
    """The failed subtests and the comments around them, or the end of what the test said."""
    lines = (test.get("stdout") or "").splitlines()
    told = [line for line in lines if line.startswith(("not ok", "#"))]
    print(f"FAILED {test['name']}", *(told or lines)[:60], sep="\n  ", file=sys.stderr)
    print(*(test.get("stderr") or "").splitlines()[-40:], sep="\n  ", file=sys.stderr)


def main():
    total = [0, 0, 0]
    try:
        with open(sys.argv[1], encoding="utf-8") as log:
            for line in log:
                test = json.loads(line)
                if not of_suite(test, sys.argv[2]):
                    continue
                counts = count(test)
                total = [old + new for old, new in zip(total, counts)]
                if counts[1]:
                    show(test)
    except FileNotFoundError:
        pass
    print(*total)


if __name__ == "__main__":
    main()
