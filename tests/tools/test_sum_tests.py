"""tools/lib/sum_tests.py counts what meson saw. Speaks TAP."""

import os
import sys

sys.path.insert(0, os.path.join(sys.argv[1], "tools", "lib"))
import sum_tests  # noqa: E402

CASES = [
    ("a TAP test counts its subtests", "1..2\nok 1 - a\nok 2 - b\n", "OK", (2, 0, 0)),
    ("a failed subtest is a failure", "1..2\nok 1 - a\nnot ok 2 - b\n", "FAIL", (1, 1, 0)),
    ("a skipped subtest is skipped", "1..2\nok 1 - a\nok 2 - b # SKIP no disk\n", "OK", (1, 0, 1)),
    ("a crash after good subtests is a failure", "1..3\nok 1 - a\n", "ERROR", (1, 1, 0)),
    ("a time limit is a failure", "1..3\nok 1 - a\n", "TIMEOUT", (1, 1, 0)),
    ("a whole TAP test skipped is one skip", "1..0 # SKIP no kcat\n", "SKIP", (0, 0, 1)),
    ("a plain test counts once", "hello\n", "OK", (1, 0, 0)),
    ("a plain test that fails counts once", "", "FAIL", (0, 1, 0)),
    ("a plain test skipped is one skip", "", "SKIP", (0, 0, 1)),
    ("a word ok inside a line is no subtest", "1..1\n# ok so far\nok 1 - a\n", "OK", (1, 0, 0)),
]


def main():
    print(f"1..{len(CASES)}")
    bad = 0
    for number, (what, out, result, want) in enumerate(CASES, 1):
        got = sum_tests.count({"stdout": out, "result": result})
        print(f"{'ok' if got == want else 'not ok'} {number} - {what}")
        if got != want:
            print(f"# got {got}, want {want}")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
