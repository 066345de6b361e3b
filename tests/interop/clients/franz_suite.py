#!/usr/bin/env python3
"""franz-go's own tests: chains of groups and of transactions that pass records on, with every
assignor of both protocols, with static members, and what its issues left behind.
"""

import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from tap import Tap  # noqa: E402  pylint: disable=wrong-import-position

PROGRAM, BOOTSTRAP = sys.argv[1:3]
SECONDS_MAX = 500  # A loaded machine is slow.
RECORDS = 10000  # Of each chain.
# Those that want a broker.
TESTS = "^Test(.*ETL|.*Etl|Issue.*|Pause.*|Client_.*|Consume.*|Group.*|Direct.*|AddRemove.*|Ping|" \
        "Pooling|848.*|UnknownGroup.*)$"


def main():
    tap = Tap()
    done = subprocess.run(
        [PROGRAM, "-test.v", f"-test.run={TESTS}", f"-test.timeout={SECONDS_MAX}s"],
        env=dict(os.environ, KGO_SEEDS=BOOTSTRAP, KGO_TEST_RF="1", KGO_TEST_RECORDS=str(RECORDS)),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=SECONDS_MAX + 20, check=False)
    text = done.stdout.decode(errors="replace")
    for verdict, name in re.findall(r"^--- (PASS|FAIL|SKIP): (\S+)", text, re.MULTILINE):
        if verdict == "SKIP":
            tap.skip(name, "wants what is not served")
        else:
            tap.that(name, verdict == "PASS", "see below")
    tap.that("the tests came to their end", done.returncode == 0,
             "\n".join(line for line in text.splitlines() if "[DEBUG]" not in line)[-6000:])
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
