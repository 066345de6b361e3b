"""What must be built to run some suites: suite_targets.py BUILD_DIR SUITE... -> ninja targets.

The programs themselves always, the rest as the tests of these suites say. A test that is not run
costs no time to compile.
"""

import json
import os
import subprocess
import sys


def introspect(build, what):
    done = subprocess.run(["meson", "introspect", what, build], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def targets_of(tests, targets, suites):
    """Ids the tests of the suites depend on, and those of the product's programs."""
    wanted = {target["id"] for target in targets
              if target["type"] == "executable" and target["name"].startswith("millrace")}
    for test in tests:
        if {suite.split(":")[-1] for suite in test["suite"]} & set(suites):
            wanted.update(test["depends"])
    return wanted


def main():
    build, suites = os.path.abspath(sys.argv[1]), sys.argv[2:]
    targets = introspect(build, "--targets")
    wanted = targets_of(introspect(build, "--tests"), targets, suites)
    for target in targets:
        if target["id"] in wanted:
            print(*(os.path.relpath(name, build) for name in target["filename"]))


if __name__ == "__main__":
    main()
