"""The tree's own C files that a build compiles, one a line: tidy_files.py BUILD_DIR.

Generated files are left out: their generator is what can be changed.
"""

import json
import os
import sys


def files(build):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as commands:
        for entry in json.load(commands):
            path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
            if path.endswith(".c") and not path.startswith(build + os.sep):
                yield path


if __name__ == "__main__":
    print(*sorted(set(files(os.path.abspath(sys.argv[1])))), sep="\n")
