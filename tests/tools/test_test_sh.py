"""tools/test.sh adds up what its suites say and never calls broken things good. Speaks TAP.

meson and ninja are stood in for: what each suite does is written in a file the stand-in reads.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

MESON = """#!/usr/bin/env python3
import json, os, pathlib, sys
plan = json.loads(os.environ["PLAN"])
if sys.argv[1] == "setup":
    where = pathlib.Path(sys.argv[2])
    if where.name in plan["no_setup"]:
        sys.exit("no compiler here")
    where.mkdir(parents=True)
    (where / "build.ninja").touch()
elif sys.argv[1] == "introspect":
    print(json.dumps([{"suite": ["m:" + name], "depends": []} for name in plan["suites"]]
                     if "--tests" in sys.argv else []))
else:
    build = pathlib.Path(sys.argv[sys.argv.index("-C") + 1])
    names = [value for word, value in zip(sys.argv, sys.argv[1:]) if word == "--suite"]
    (build / "meson-logs").mkdir(exist_ok=True)
    for name in names:
        if plan["suites"][name]["log"] is not None:
            with open(build / "meson-logs/testlog.json", "a") as log:
                for test in plan["suites"][name]["log"]:
                    test = dict(test, name=f"m:{name} / {test['name']}")
                    log.write(json.dumps(test) + chr(10))
    sys.exit(max(plan["suites"][name]["status"] for name in names))
"""
NINJA = """#!/usr/bin/env python3
import json, os, sys
where = os.path.basename(sys.argv[sys.argv.index("-C") + 1])
if where in json.loads(os.environ["PLAN"])["no_build"]:
    print("x.c:1: error: planted")
    sys.exit(1)
"""


def record(out, result="OK", name="a"):
    return {"name": name, "stdout": out, "stderr": "", "result": result}


GOOD = {"log": [record("1..2\nok 1 - a\nok 2 - b\n")], "status": 0}
BAD = {"log": [record("1..2\nok 1 - a\nnot ok 2 - the broken thing\n# because\n", "FAIL")],
       "status": 1}
SKIPS = {"log": [record("1..0 # SKIP no network\n", "SKIP")], "status": 0}
SILENT = {"log": None, "status": 1}
EMPTY = {"log": [], "status": 0}
STRANGE = {"log": GOOD["log"], "status": 2}

# what, arguments, suites, builds without setup, builds that fail, last line, status, words told
CASES = [
    ("a good run ends in its sum", [], {"unit": GOOD, "crash": GOOD}, [], [],
     "4 passed, 0 failed, 0 skipped", 0, ["unit", "crash"]),
    ("a failing test is named and fails the run", [], {"unit": BAD, "crash": GOOD}, [], [],
     "3 passed, 1 failed, 0 skipped", 1, ["not ok 2 - the broken thing", "# because"]),
    ("what is skipped is counted", [], {"unit": GOOD, "interop": SKIPS}, [], [],
     "2 passed, 0 failed, 1 skipped", 0, []),
    ("of suites that run together each is told", [], {"unit": BAD, "golden": GOOD}, [], [],
     "3 passed, 1 failed, 0 skipped", 1, ["golden        2 passed    0 failed", "the broken thing",
                                          "unit          1 passed    1 failed", "golden unit in"]),
    ("a suite that leaves nothing beside another has failed", [], {"unit": GOOD, "golden": EMPTY},
     [], [], "2 passed, 1 failed, 0 skipped", 1, ["FAILED suite golden"]),
    ("a suite that leaves no log has failed", [], {"unit": SILENT}, [], [],
     "0 passed, 1 failed, 0 skipped", 1, ["FAILED suite unit"]),
    ("a suite that runs nothing has failed", [], {"unit": EMPTY}, [], [],
     "0 passed, 1 failed, 0 skipped", 1, ["FAILED suite unit"]),
    ("meson's own trouble is a failure", [], {"unit": STRANGE}, [], [],
     "2 passed, 1 failed, 0 skipped", 1, ["FAILED suite unit"]),
    ("a broken build is a failure, the others run", [], {"unit": GOOD, "crash": GOOD}, [],
     ["checked"], "2 passed, 1 failed, 0 skipped", 1, ["x.c:1: error: planted", "checked"]),
    ("a build that meson refuses is a failure", [], {"unit": GOOD, "crash": GOOD}, ["release"],
     [], "2 passed, 1 failed, 0 skipped", 1, ["no compiler here"]),
    ("quick runs the quick suites only", ["quick"], {"unit": GOOD, "crash": BAD}, [], [],
     "2 passed, 0 failed, 0 skipped", 0, []),
    ("an unknown word is a usage error", ["fast"], {"unit": GOOD}, [], [],
     "usage: tools/test.sh [quick|lint]", 2, []),
]


def run(source, arguments, plan):
    """(status, output) of tools/test.sh in a scratch tree with its stand-ins."""
    with tempfile.TemporaryDirectory(prefix="test-sh-") as scratch:
        root = pathlib.Path(scratch)
        shutil.copytree(os.path.join(source, "tools/lib"), root / "tools/lib")
        shutil.copy(os.path.join(source, "tools/test.sh"), root / "tools/test.sh")
        (root / "tools/lib/packages.txt").write_text("")
        (root / "bin").mkdir()
        for name, text in (("meson", MESON), ("ninja", NINJA)):
            (root / "bin" / name).write_text(text)
            (root / "bin" / name).chmod(0o755)
        done = subprocess.run(
            [str(root / "tools/test.sh"), *arguments], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False, stdin=subprocess.DEVNULL,
            env=dict(os.environ, PATH=f"{root}/bin:{os.environ['PATH']}", PLAN=json.dumps(plan)))
    return done.returncode, done.stdout


def main():
    print(f"1..{len(CASES)}")
    bad = 0
    for number, (what, arguments, suites, no_setup, no_build, last, status, told) in \
            enumerate(CASES, 1):
        got_status, out = run(sys.argv[1], arguments,
                              {"suites": suites, "no_setup": no_setup, "no_build": no_build})
        good = (got_status == status and out.splitlines()[-1:] == [last] and
                all(words in out for words in told))
        bad += not good
        print(f"{'ok' if good else 'not ok'} {number} - {what}")
        if not good:
            print(f"# status {got_status}, want {status}\n# " + out.replace("\n", "\n# "))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
