"""The product's C files that a build compiles, one a line: tidy_files.py SOURCE_DIR BUILD_DIR.

Generated files and tests are left out: a generator is what can be changed, and tests double the
time.
"""

import json
import os
import sys


def files(source, build):
    product = tuple(os.path.join(source, name, "")
                    for name in ("storage", "dataplane", "control", "tools"))
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as commands:
        for entry in json.load(commands):
            path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
            if path.endswith(".c") and path.startswith(product):
                yield path


if __name__ == "__main__":
    print(*sorted(set(files(*map(os.path.abspath, sys.argv[1:3])))), sep="\n")
