"""The source tree as the rules see it: its files, their text, and C code without its comments."""

import os
import re

SKIPPED_DIRS = {"__pycache__", "node_modules"}
HIDDEN_KEPT = {".ci", ".github"}

# One alternative per thing that may hold a quote or a comment mark; only comments and the insides
# of literals are blanked, so that line numbers and columns stay.
C_NOISE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
# Triple quotes before single ones, or a docstring would end at its first quote.
PY_NOISE = re.compile(
    r"\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|\#[^\n]*", re.S)


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def blank_c(match):
    """Blanks a comment or literal, but keeps the name in an #include "..." line."""
    start = match.string.rfind("\n", 0, match.start()) + 1
    if match.string[start:match.start()].strip() == "#include":
        return match.group(0)
    return blank(match)


class Tree:
    def __init__(self, root):
        self.root = os.path.abspath(root)
        self.texts = {}
        self.codes = {}
        self.paths = sorted(self.walk())

    def walk(self):
        for base, dirs, files in os.walk(self.root):
            top = base == self.root
            dirs[:] = [d for d in dirs if d not in SKIPPED_DIRS
                       and (d in HIDDEN_KEPT or not d.startswith("."))
                       and not (top and d.startswith("build"))]
            for name in files:
                if not name.startswith(".git") and not name.endswith(".pyc"):
                    yield os.path.relpath(os.path.join(base, name), self.root)

    def files(self, *suffixes, under=()):
        """Paths from the root that end in one of suffixes and lie under one of `under` (or all)."""
        return [p for p in self.paths
                if (not suffixes or p.endswith(suffixes)) and (not under or inside(p, under))]

    def text(self, path):
        if path not in self.texts:
            with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
                self.texts[path] = file.read()
        return self.texts[path]

    def lines(self, path):
        return self.text(path).split("\n")

    def code(self, path):
        """The text with comments and literals blanked."""
        if path not in self.codes:
            python = path.endswith((".py", ".sh", "meson.build"))
            pattern, by = (PY_NOISE, blank) if python else (C_NOISE, blank_c)
            self.codes[path] = pattern.sub(by, self.text(path))
        return self.codes[path]

    def exists(self, path):
        return os.path.exists(os.path.join(self.root, path))

    def shell(self):
        """Shell scripts, by suffix or by their first line."""
        return [p for p in self.paths if p.endswith(".sh")
                or ("." not in os.path.basename(p) and first_line_is_shell(self, p))]


def first_line_is_shell(tree, path):
    with open(os.path.join(tree.root, path), "rb") as file:
        first = file.readline(80)
    return first.startswith(b"#!") and b"sh" in first.split(b"/")[-1]


def inside(path, places):
    """True when path is one of the places or lies in one of them."""
    return any(path == place or path.startswith(place.rstrip("/") + "/") for place in places)


def line_of(text, position):
    return text.count("\n", 0, position) + 1
