"""Plants one violation of each rule in a scratch copy of the tree; the rule must point at it.

test_rules.py SOURCE_ROOT BUILD_DIR. Speaks TAP.
"""

import json
import os
import shutil
import sys
import tempfile

import build
import places
import rules
from tree import Tree

LONG_C = "int f(void)\n{\n" + "    (void)0;\n" * 70 + "    return 0;\n}\n"
LONG_PY = "def f():\n" + "    pass\n" * 70
LONG_SH = "#!/bin/sh\nf() {\n" + "    :\n" * 70 + "}\n"

# (rule, file to plant, its text, what a reader would call it). The file is new unless it exists;
# then the text is added at its end.
PLANTED = [
    (rules.include_direction, "storage/log/planted.c",
     '#include "dataplane/kafka/frame.h"\n', "an include from storage up to dataplane"),
    (rules.include_direction, "dataplane/broker/planted.h",
     '#include "control/loop.h"\n', "an include from dataplane up to control"),
    (rules.include_direction, "control/planted.c",
     '#include "tools/cli.h"\n', "an include from control up to tools"),
    (rules.include_direction, "storage/log/planted.c",
     '#include "planted.h"\n', "an include not written from the root"),
    (rules.include_direction, "storage/io/planted.c",
     '#include "tests/sim/disk.h"\n', "an include of tests"),
    (rules.include_of_base, "storage/base/planted.h",
     '#include "storage/log/segment.h"\n', "an include out of storage/base"),
    (rules.include_of_control, "control/planted.c",
     '#include "dataplane/broker/dispatch.h"\n', "control looking into the cores"),
    (rules.one_place_headers, "storage/io/planted.c",
     "#include <liburing.h>\n", "a second file with liburing.h"),
    (rules.one_place_headers, "dataplane/broker/planted.c",
     "#include <rte_mbuf.h>\n", "an rte header in the broker"),
    (rules.one_place_headers, "dataplane/nic/planted.c",
     "#include <rte_ethdev.h>\n", "a second file with rte_ethdev.h"),
    (rules.pure_code, "storage/log/planted.c", "#include <unistd.h>\n", "a system call in the log"),
    (rules.pure_code, "dataplane/kafka/planted.c",
     "#include <sys/socket.h>\n", "a socket in the codec"),
    (rules.pure_code, "dataplane/tcp/planted.c", "#include <time.h>\n", "a clock in TCP"),
    (rules.core_code, "dataplane/broker/planted.c",
     "void *f(void)\n{\n    return malloc(8);\n}\n", "malloc on a core"),
    (rules.core_code, "dataplane/core_loop.c",
     "void f(void)\n{\n    usleep(1);\n}\n", "a sleep in the core loop"),
    (rules.core_code, "storage/log/planted.c",
     "void f(int fd)\n{\n    fsync(fd);\n}\n", "a flush in the log"),
    (rules.core_code, "dataplane/sock/planted.c",
     "void f(void)\n{\n    printf(\"x\");\n}\n", "a print on a core"),
    (rules.core_code, "dataplane/broker/planted.c",
     "void f(struct timespec *t)\n{\n    clock_gettime(1, t);\n}\n", "a second clock on a core"),
    (rules.loose_state, "storage/log/planted.c",
     "static uint32_t count;\n", "a counter that all engines share"),
    (rules.loose_state, "control/planted.c",
     "static struct {\n    int x;\n} all = {1};\n", "a struct that all controls share"),
    (rules.loose_state, "dataplane/broker/planted.c",
     "uint64_t cache[8] = {0};\n", "a global"),
    (rules.loose_state, "dataplane/broker/planted.c",
     "int f(void)\n{\n    static int calls = 0;\n    return ++calls;\n}\n",
     "a variable that outlives its function"),
    (rules.loose_state, "storage/io/planted.c",
     "extern _Thread_local int core;\n", "state of a thread"),
    (rules.mirror_of_tests, "storage/log/planted.c",
     "int planted;\n", "a source file without a test"),
    (rules.mirror_of_tests, "tests/storage/base/test_check.c",
     "int planted;\n", "an exception that is none any more"),
    (rules.function_length, "control/planted.c", LONG_C, "a long C function"),
    (rules.function_length, "tests/planted.py", LONG_PY, "a long Python function"),
    (rules.function_length, "tools/planted.sh", LONG_SH, "a long shell function"),
    (rules.file_length, "control/planted.c", "int x;\n" * 801, "a long file"),
    (rules.columns, "control/planted.c", "/*" + "x" * 97 + "*/\n", "a line of 101 columns"),
    (rules.no_struct_typedef, "control/planted.h",
     "typedef struct foo foo_t;\n", "a struct typedef"),
    (rules.banned_words, "control/planted.c", "int io_worker_count;\n", "a banned word in a name"),
    (rules.banned_words, "control/shard_map.c", "int x;\n", "a banned word in a file's name"),
    (rules.no_marks, "control/planted.c",
     f"/* {places.MARKS[0]}: later */\n", "a mark of unfinished work"),
    (rules.readme_links, "storage/planted.md", "see [the log](log/nowhere.h)\n", "a dead link"),
    (rules.readme_links, "storage/planted.md", "# A\n[b](#b)\n", "a link to no heading"),
    (rules.readme_places, "storage/planted.md",
     "see `log/append.c:log_nothing`\n", "a function that is not there"),
    (rules.readme_places, "storage/planted.md",
     "see `log/nowhere.c:log_append`\n", "a function's file that is not there"),
    (rules.behaviour_tests, "tests/interop/README.md",
     "| B1 | x | `dataplane/broker/test_fetch.c: no_such_test` |\n", "a test that is not there"),
    (rules.behaviour_tests, "tests/README.md",
     "| H1 | x | `storage/log/log.c` | `no_such_bug.patch` |\n", "a bug that is not planted"),
    (rules.behaviour_tests, "tests/README.md",
     "| H1 | x | y | `tools/test_up.py: no_such_test` |\n", "a Python test that is not there"),
    (rules.rules_have_tests, "tests/README.md",
     "| H40 | x | y | none |\n", "a rule without a test"),
    (rules.rules_have_tests, "storage/log/planted.c",
     "/* H41. */\n", "a rule that nobody explains"),
    (rules.acting_keys, "dataplane/profile/kafka_keys_topic.c",
     '    {"no.such.key", KAFKA_KEY_INT, "1", ANY, KAFKA_LOW, KAFKA_ACTS, "x"},\n',
     "a key that acts in the table only"),
    (rules.stated_counts, "tests/sim/planted/planted.patch", "x\n", "a bug that no README counts"),
    (rules.stated_counts, "tests/sim/meson.build",
     "  ['planted', '0', '1'],\n", "a seed that no README counts"),
    (rules.top_level, "vendor/planted.c", "int x;\n", "a new top directory"),
]

# What must stay allowed: a rule that forbids everything would pass every test above.
KEPT = [
    (rules.core_code, "dataplane/broker/planted.c",
     "/* malloc(8) */\nvoid f(struct o *o)\n{\n    o->read(1);\n    file_close(o);\n}\n"),
    (rules.loose_state, "storage/log/planted.c",
     "static const char *const names[] = {0};\nstatic int f(int x);\nstruct log;\n"
     "extern const int a;\nstatic const struct {\n    int x;\n} rows[] = {{1}};\n"
     "static int f(int x)\n{\n    int y = x;\n    return y;\n}\n"),
    (rules.include_direction, "tools/planted.c", '#include "storage/log/segment.h"\n'),
    (rules.banned_words, "control/planted.c", "/* a kernel worker */\n"),
    (rules.one_place_headers, "storage/io/ring.c", "#include <liburing.h>\n"),
    (rules.no_struct_typedef, "control/planted.h", "typedef int (*step_fn)(int);\n"),
    (rules.readme_places, "control/planted.md",
     "see `loop.c:control_turn` and `storage/log/append.c:log_append`\n"),
    (rules.function_length, "control/planted.c",
     "static const int rows[] = {\n" + "    1,\n" * 90 + "};\n"),
]


def scratch_copy(root, to):
    tree = Tree(root)
    for path in tree.paths:
        target = os.path.join(to, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(os.path.join(root, path), target)
    shutil.copyfile(os.path.join(root, ".clang-format"), os.path.join(to, ".clang-format"))


class Planting:
    """Within `with`, the file holds the planted text; afterwards the copy is as before."""

    def __init__(self, root, path, text):
        self.full = os.path.join(root, path)
        self.text = text

    def __enter__(self):
        os.makedirs(os.path.dirname(self.full), exist_ok=True)
        self.before = None
        if os.path.exists(self.full):
            with open(self.full, encoding="utf-8") as file:
                self.before = file.read()
        with open(self.full, "w", encoding="utf-8") as file:
            file.write((self.before or "") + self.text)

    def __exit__(self, *_):
        if self.before is None:
            os.unlink(self.full)
        else:
            with open(self.full, "w", encoding="utf-8") as file:
                file.write(self.before)


def found_in(rule, tree):
    return {(path, message) for path, _, message in rule(tree)}


class Catching:
    """What a rule finds in the copy before anything is planted is asked once for each rule, and of
    a planted copy only the planted file is read anew: a minute otherwise."""

    def __init__(self, root):
        self.whole = Tree(root)
        self.before = {}

    def new(self, rule, path, text):
        if rule not in self.before:
            self.before[rule] = found_in(rule, self.whole)
        with Planting(self.whole.root, path, text):
            tree = Tree(self.whole.root)
            tree.texts = {p: t for p, t in self.whole.texts.items() if p != path}
            tree.codes = {p: c for p, c in self.whole.codes.items() if p != path}
            return found_in(rule, tree) - self.before[rule]


def build_cases(root, build_dir, source_root):
    """(what, caught) for the rules that run another program."""
    path = "storage/base/planted.h"
    bad = {"a header that needs another first": "static inline uint32_t f(struct bytes b)\n"
                                                "{\n    return b.len;\n}\n",
           "a header without a guard": "struct planted {\n    int x;\n};\n"}
    for what, text in bad.items():
        with Planting(root, path, text):
            yield what, bool(list(build.headers_compile_alone(Tree(root), build_dir, source_root,
                                                              [path])))
    with tempfile.TemporaryDirectory(prefix="arch-flags-") as folder:
        planted = [{"directory": root, "file": "dataplane/nic/x.c",
                    "command": "cc -march=x86-64-v2 -march=corei7 -c dataplane/nic/x.c"}]
        with open(os.path.join(folder, "compile_commands.json"), "w", encoding="utf-8") as file:
            json.dump(planted, file)
        yield "a library that lowers -march", bool(list(build.machine_flags(folder, root)))
    if build.have("shellcheck"):
        with Planting(root, "tools/planted.sh", "#!/bin/sh\nrm -r $1/x\n"):
            yield "a script that forgets its quotes", bool(
                list(build.scripts_checked(Tree(root), ["tools/planted.sh"])))
    if build.have("clang-format"):
        with Planting(root, "storage/base/planted.c", "int   x ;\n"):
            yield "a line clang-format would change", bool(
                list(build.formatted(Tree(root), ["storage/base/planted.c"])))


def main():
    source_root, build_dir = (os.path.abspath(path) for path in sys.argv[1:3])
    results = []
    with tempfile.TemporaryDirectory(prefix="arch-") as root:
        scratch_copy(source_root, root)
        catching = Catching(root)
        for rule, path, text, what in PLANTED:
            new = catching.new(rule, path, text)
            results.append((bool(new), f"{rule.__name__} catches {what}"))
        for rule, path, text in KEPT:
            new = {row for row in catching.new(rule, path, text) if row[0] == path}
            results.append((not new, f"{rule.__name__} allows what is allowed in {path}"))
        for what, caught in build_cases(root, build_dir, source_root):
            results.append((caught, f"the build rules catch {what}"))
    tested = {rule for rule, _, _, _ in PLANTED}
    for rule in rules.RULES:
        results.append((rule in tested, f"{rule.__name__} has a planted violation"))
    print(f"1..{len(results)}")
    for number, (good, what) in enumerate(results, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {what}")
    return 0 if all(good for good, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
