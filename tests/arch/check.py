"""Holds the tree against the house rules: check.py SOURCE_ROOT [BUILD_DIR]. Speaks TAP."""

import sys

import build
import rules
from tree import Tree

SHOWN = 40


def report(number, name, violations):
    found = list(violations)
    print(f"{'not ok' if found else 'ok'} {number} - {name}")
    for path, line, message in found[:SHOWN]:
        print(f"# {path}:{line}: {message}")
    if len(found) > SHOWN:
        print(f"# and {len(found) - SHOWN} more")
    return not found


def main():
    root = sys.argv[1]
    build_dir = sys.argv[2] if len(sys.argv) > 2 else None
    tree = Tree(root)
    count = len(rules.RULES) + 4
    print(f"1..{count}")
    good = True
    for number, rule in enumerate(rules.RULES, 1):
        good &= report(number, rule.__name__, rule(tree))
    if build_dir:
        good &= report(count - 3, "machine_flags", build.machine_flags(build_dir, tree.root))
        good &= report(count - 2, "headers_compile_alone",
                       build.headers_compile_alone(tree, build_dir, tree.root))
    else:
        print(f"ok {count - 3} - machine_flags # SKIP no build directory given")
        print(f"ok {count - 2} - headers_compile_alone # SKIP no build directory given")
    for number, name, rule, program in (
            (count - 1, "formatted", build.formatted, "clang-format"),
            (count, "scripts_checked", build.scripts_checked, "shellcheck")):
        if build.have(program):
            good &= report(number, name, rule(tree))
        else:
            print(f"ok {number} - {name} # SKIP no {program} here")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
