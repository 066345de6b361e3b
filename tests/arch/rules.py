"""The rules that need nothing but the text of the tree.

Each rule takes a Tree and yields (path, line, message), one per violation; nothing means kept.
"""

import ast
import os
import re

import places
from tree import inside, line_of

INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"]+)[>\"]", re.M)
C_SUFFIXES = (".c", ".h")


def includes(tree, path):
    """(line, quoted, name) of each include."""
    code = tree.code(path)
    for match in INCLUDE.finditer(code):
        yield line_of(code, match.start()), match.group(1) == '"', match.group(2)


def include_direction(tree):
    for path in tree.files(*C_SUFFIXES):
        here = path.split("/")[0]
        for line, quoted, name in includes(tree, path):
            there = name.split("/")[0]
            if quoted and (there not in places.LAYERS + ["tests"] or "/" not in name):
                yield path, line, f'"{name}" is not written from the root'
            elif here in places.LAYERS and there == "tests":
                yield path, line, f'nobody includes tests: "{name}"'
            elif here in places.LAYERS and there in places.LAYERS:
                if places.LAYERS.index(there) < places.LAYERS.index(here):
                    yield path, line, f'{here} must not look up to "{name}"'


def include_of_base(tree):
    for path in tree.files(*C_SUFFIXES, under=["storage/base"]):
        for line, quoted, name in includes(tree, path):
            if quoted and not name.startswith("storage/base/"):
                yield path, line, f'storage/base depends on nothing, not on "{name}"'


def include_of_control(tree):
    for path in tree.files(*C_SUFFIXES, under=["control"]):
        for line, quoted, name in includes(tree, path):
            if quoted and name.startswith("dataplane/") and not inside(name, places.CONTROL_SEES):
                yield path, line, f'control shares no "{name}" with the cores'


def one_place_headers(tree):
    for path in tree.files(*C_SUFFIXES):
        for line, _, name in includes(tree, path):
            for header, allowed in places.ONE_PLACE.items():
                if name == header or (header.endswith("_") and name.startswith(header)):
                    if not path.startswith(tuple(allowed)):
                        yield path, line, f"<{name}> belongs to {', '.join(allowed)}"


def pure_code(tree):
    for path in tree.files(*C_SUFFIXES, under=places.PURE):
        for line, _, name in includes(tree, path):
            if any(name == h or (h[-1] in "/_g" and name.startswith(h))
                   for h in places.PURE_REFUSES):
                yield path, line, f"pure code does not include <{name}>"


def core_code(tree):
    calls = {call: why for why, names in places.CORE_REFUSES.items() for call in names}
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(calls) + r")\s*\(")
    for path in tree.files(*C_SUFFIXES, under=places.CORE_CODE):
        code = tree.code(path)
        for match in pattern.finditer(code):
            call = match.group(1)
            if (path, call) not in places.CORE_ALLOWED:
                line = line_of(code, match.start())
                yield path, line, f"{call}() {calls[call]}, and this runs on a core"


THREAD_STATE = re.compile(r"\b(_Thread_local|__thread|thread_local|RTE_(?:DEFINE_)?PER_LCORE\w*|"
                          r"rte_lcore_id|pthread_[gs]etspecific)\b")
# A variable that is not an object of some instance: static and not const, or global.
STATIC_STATE = re.compile(r"^[ \t]*static\b(?![^=;(]*\bconst\b)[^=;({]*?(\w+)(?:\[[^\]\n]*\])*"
                          r"[ \t]*(?:=|;)", re.M)
GLOBAL_STATE = re.compile(r"^(?!static|extern|typedef|(?:struct|enum|union)\s+\w+;|"
                          r"[^=;(]*\bconst\b)\w[\w \t*]*?[ \t*](\w+)(?:\[[^\]\n]*\])*"
                          r"[ \t]*(?:=|;)", re.M)
STATIC_STRUCT = re.compile(r"^[ \t]*static\s+(?:struct|union)\s*\w*\s*\{[^}]*\}\s*(\w+)", re.M)


def loose_state(tree):
    for path in tree.files(*C_SUFFIXES, under=places.MANY_OF):
        code = tree.code(path)
        for match in THREAD_STATE.finditer(code):
            yield path, line_of(code, match.start()), f"{match.group(1)}: state of a thread"
        for pattern in (STATIC_STATE, STATIC_STRUCT, GLOBAL_STATE)[:3 if path[-1] == "c" else 2]:
            for match in pattern.finditer(code):
                if (path, match.group(1)) not in places.STATE_ALLOWED:
                    line = line_of(code, match.start())
                    yield path, line, f"{match.group(1)}: a second broker would share it"


def mirror_of_tests(tree):
    def test_of(path):
        place = f"tests/{os.path.dirname(path)}/test_{os.path.basename(path)}"
        program = re.sub(r"c$", "py", place)
        return place, tree.exists(place) or tree.exists(program)

    for path in tree.files(".c", under=places.MIRRORED):
        test, there = test_of(path)
        if path not in places.MIRROR_EXCEPTIONS and not there:
            yield path, 1, f"has no {test}"
    for path in places.MIRROR_EXCEPTIONS:
        test, there = test_of(path)
        if not tree.exists(path):
            yield "tests/arch/places.py", 1, f"excepts {path}, which is not there"
        elif there:
            yield path, 1, f"is excepted in places.py and yet has {test}"


def c_functions(tree, path):
    """(first line, last line) of each function: its brace stands alone in column 0."""
    lines = tree.code(path).split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{":
            start = number
            while start > 1 and lines[start - 2].strip() and lines[start - 2][0] not in "}#":
                start -= 1
        elif line.startswith("}") and start is not None:
            yield start, number
            start = None


def python_functions(tree, path):
    for node in ast.walk(ast.parse(tree.text(path))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno


def shell_functions(tree, path):
    start = None
    for number, line in enumerate(tree.lines(path), 1):
        if re.match(r"^[\w-]+\s*\(\)\s*\{", line):
            start = number
        elif line.startswith("}") and start is not None:
            yield start, number
            start = None


def function_length(tree):
    groups = [(tree.files(*C_SUFFIXES), c_functions), (tree.files(".py"), python_functions),
              (tree.shell(), shell_functions)]
    for paths, functions in groups:
        for path in paths:
            for first, last in functions(tree, path):
                if last - first + 1 > places.LINES_PER_FUNCTION:
                    yield path, first, f"a function of {last - first + 1} lines"


def file_length(tree):
    for path in tree.files(".c", ".h", ".py", ".msg", ".build") + tree.shell():
        count = len(tree.text(path).splitlines())
        if count > places.LINES_PER_FILE and path not in places.LONG_FILES:
            yield path, count, f"{count} lines"


def columns(tree):
    for path in sorted(set(tree.files(".c", ".h", ".py", ".build") + tree.shell())):
        for number, line in enumerate(tree.lines(path), 1):
            if len(line) > places.COLUMNS:
                yield path, number, f"{len(line)} columns"


def no_struct_typedef(tree):
    for path in tree.files(*C_SUFFIXES):
        code = tree.code(path)
        for match in re.finditer(r"\btypedef\s+(struct|union|enum)\b", code):
            yield path, line_of(code, match.start()), f"a typedef hides a {match.group(1)}"


def banned_words(tree):
    pattern = re.compile(r"\b\w*(" + "|".join(places.BANNED_WORDS) + r")\w*\b", re.I)
    for path in sorted(set(tree.files(".c", ".h", ".py", ".msg", ".build") + tree.shell())):
        if path in places.RULE_FILES:
            continue
        for match in pattern.finditer(path):
            yield path, 1, f"the file's name says '{match.group(1)}', the word is core"
        code = tree.code(path)
        for match in pattern.finditer(code):
            if (path, match.group(0)) not in places.NAME_EXCEPTIONS:
                yield path, line_of(code, match.start()), f"the name {match.group(0)}"


def no_marks(tree):
    pattern = re.compile(r"\b(" + "|".join(places.MARKS) + r")\b")
    for path in tree.paths:
        for match in pattern.finditer(tree.text(path)):
            yield path, line_of(tree.text(path), match.start()), f"mark {match.group(1)}"


def heading_anchors(text):
    """The anchors a rendered page gives its headings."""
    for heading in re.findall(r"^#+\s+(.*)$", text, re.M):
        plain = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        yield re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def readme_links(tree):
    for path in tree.files(".md"):
        text = re.sub(r"```.*?```|`[^`\n]*`", blank_block, tree.text(path), flags=re.S)
        for match in re.finditer(r"\[[^]\n]*\]\(([^)\s]+)\)", text):
            target, _, anchor = match.group(1).partition("#")
            line = line_of(text, match.start())
            if target.startswith(("http://", "https://", "mailto:")):
                continue
            file = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
            if not tree.exists(file):
                yield path, line, f"link to {match.group(1)} leads nowhere"
            elif anchor and file.endswith(".md") and anchor not in heading_anchors(tree.text(file)):
                yield path, line, f"{file} has no heading #{anchor}"


def readme_places(tree):
    """`file.c:function` in a README: the file is there and holds the function."""
    for path in tree.files(".md"):
        text = tree.text(path)
        for match in re.finditer(r"`([\w/]+\.[ch]):(\w+)`", text):
            name, function = match.groups()
            found = [place for place in (os.path.join(os.path.dirname(path), name), name)
                     if tree.exists(place)]
            line = line_of(text, match.start())
            if not found:
                yield path, line, f"there is no {name}"
            elif not re.search(rf"^(?!.*;$).*\b{function}\(", tree.code(found[0]), re.M):
                yield path, line, f"{found[0]} has no {function}"


def told_tests(tree, path, number, cell):
    """`dir/test_x.c: name` and the bare `name`s behind it; `x.patch`: a planted bug."""
    file = None
    for told in re.findall(r"`([^`]+)`", cell):
        match = re.fullmatch(r"([\w/]+\.(?:c|py))(?:: (\w+))?|(\w+)", told)
        if told.endswith(".patch") and not tree.exists(f"tests/sim/planted/{told}"):
            yield path, number, f"there is no {told}"
        if match is None or (match.group(3) and file is None):
            continue
        file = f"tests/{match.group(1)}" if match.group(1) else file
        name = match.group(2) or match.group(3)
        if not tree.exists(file):
            yield path, number, f"there is no {file}"
        elif name and not re.search(rf"\b{name}\(", tree.code(file)):
            yield path, number, f"{file} has no test {name}"


def behaviour_tests(tree):
    """The tables of rules and behaviours: the last column names tests that are there."""
    for path in ("tests/interop/README.md", "tests/README.md"):
        for number, row in enumerate(tree.lines(path) if tree.exists(path) else (), 1):
            if re.match(r"\| [BH]\d+ ", row):
                yield from told_tests(tree, path, number, row.split(" | ")[-1])


def rules_have_tests(tree):
    """Every rule that code or a test cites stands in the table, with a test."""
    path = "tests/README.md"
    table = tree.text(path) if tree.exists(path) else ""
    rows = {match.group(1): match.group(2)
            for match in re.finditer(r"^\| (H\d+) \|.*\| (.*) \|$", table, re.M)}
    for name, tests in rows.items():
        if "`" not in tests:
            yield path, 1, f"{name} has no test"
    for cited in tree.files(*C_SUFFIXES, ".md", ".patch", under=places.LAYERS + ["tests"]):
        for match in re.finditer(r"\b(H\d+)(?=[\s_,.:;)])", tree.text(cited)):
            if match.group(1) not in rows:
                yield cited, line_of(tree.text(cited), match.start()), f"no {match.group(1)}"


def stated_counts(tree):
    """What READMEs say of how many seeds and planted bugs there are."""
    if not tree.exists("tests/sim/meson.build"):
        return
    rows = re.findall(r"\['\w+'(?:, '-?\d+')+, '(\d+)'\]", tree.text("tests/sim/meson.build"))
    seeds = sum(int(count) for count in rows)
    planted = len(tree.files(".patch", under=["tests/sim/planted"]))
    for path, pattern, want in (
            ("README.md", r"([\d,]+) fixed seeds", seeds),
            ("README.md", r"(\d+) planted bugs", planted),
            ("tests/README.md", r"each of (\d+) bugs planted", planted),
            ("tests/sim/README.md", r"puts (\d+) of them", planted)):
        match = re.search(pattern, tree.text(path)) if tree.exists(path) else None
        if match is None:
            yield path, 1, f"does not say {pattern}"
        elif int(match.group(1).replace(",", "")) != want:
            line = line_of(tree.text(path), match.start())
            yield path, line, f"says {match.group(1)}, and there are {want:,}"


def acting_keys(tree):
    """A key of Kafka's that is said to act is read by somebody."""
    tables = tree.files(".c", under=["dataplane/profile/kafka_keys_broker.c",
                                     "dataplane/profile/kafka_keys_topic.c"])
    others = "".join(tree.text(path) for path in tree.files(".c", under=places.LAYERS)
                     if path not in tables)
    for path in tables:
        text = tree.text(path)
        for row in re.finditer(r'\{("[a-z0-9.]+"), KAFKA_KEY_[^}]*?\},\n', text):
            if "KAFKA_ACTS" in row[0] and "KAFKA_ELSEWHERE" not in row[0] and row[1] not in others:
                yield path, line_of(text, row.start()), f"{row[1]} acts, and nobody reads it"


def blank_block(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def top_level(tree):
    tops = {path.split("/")[0] for path in tree.paths}
    for top in sorted(tops):
        if not top.startswith(".") and top not in places.TOP_LEVEL:
            yield top, 1, "the top level is fixed"


RULES = [
    include_direction, include_of_base, include_of_control, one_place_headers, pure_code,
    core_code, loose_state, mirror_of_tests, function_length, file_length, columns,
    no_struct_typedef, banned_words, no_marks, readme_links, readme_places,
    behaviour_tests, rules_have_tests, stated_counts, acting_keys, top_level,
]
