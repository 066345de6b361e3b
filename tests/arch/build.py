"""The rules that need a compiler, clang-format or the build directory."""

import json
import os
import shlex
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import places

DROPPED_WITH_VALUE = {"-o", "-MF", "-MQ", "-MT"}
DROPPED = {"-c", "-MD", "-MMD"}


def flags_by_dir(build_dir):
    """For each source directory how that of its files is compiled that is told of most, without
    file and output."""
    with open(os.path.join(build_dir, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    flags = {}
    for entry in entries:
        source = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
        if source.endswith(".c"):
            words = strip_command(shlex.split(entry["command"]), entry["file"])
            folder = os.path.dirname(source)
            if folder not in flags or len(flags[folder][1]) < len(words):
                flags[folder] = (entry["directory"], words)
    return flags


def strip_command(words, source):
    kept = []
    skip = False
    for word in words:
        if skip or word in DROPPED or word == source:
            skip = False
        elif word in DROPPED_WITH_VALUE:
            skip = True
        else:
            kept.append(word)
    return kept


def flags_for(header_dir, root, flags):
    """The nearest directory's flags: the header's own, else its parents', else any."""
    at = os.path.join(root, header_dir)
    while at.startswith(root) and at != root:
        if at in flags:
            return flags[at]
        at = os.path.dirname(at)
    return next(iter(flags.values()))


def compile_header(tree, path, flags, source_root):
    directory, words = flags_for(os.path.dirname(path), source_root, flags)
    twice = f'#include "{path}"\n#include "{path}"\n'
    command = words + ["-I", tree.root, "-fsyntax-only", "-fno-diagnostics-color", "-x", "c", "-"]
    run = subprocess.run(command, input=twice, cwd=directory, text=True, capture_output=True,
                         check=False)
    return None if run.returncode == 0 else first_error(run.stderr)


def first_error(text):
    lines = [line for line in text.splitlines() if "error" in line]
    return (lines or text.splitlines() or ["failed"])[0]


def headers_compile_alone(tree, build_dir, source_root, only=None):
    """Each header, twice in one empty file, with the flags of its directory."""
    flags = flags_by_dir(build_dir)
    layers = places.LAYERS + ["tests"]
    headers = only or tree.files(".h", under=layers)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        errors = pool.map(lambda h: compile_header(tree, h, flags, source_root), headers)
        for header, error in zip(headers, errors):
            if error:
                yield header, 1, error


def formatted(tree, only=None):
    """What clang-format would change."""
    paths = only or tree.files(".c", ".h", under=places.LAYERS + ["tests"])

    def format_some(start):
        return subprocess.run(["clang-format", "--dry-run", "--style=file"]
                              + paths[start:start + 50], cwd=tree.root, text=True,
                              capture_output=True, check=False).stderr

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for text in pool.map(format_some, range(0, len(paths), 50)):
            for line in text.splitlines():
                if "-Wclang-format-violations" in line:
                    path, number = line.split(":")[:2]
                    yield path, int(number), "clang-format would change this line"


def scripts_checked(tree, only=None):
    """What shellcheck has to say about the scripts."""
    run = subprocess.run(["shellcheck", "-x", "--format=gcc"] + (only or tree.shell()),
                         cwd=tree.root, text=True, capture_output=True, check=False)
    if run.returncode > 1:
        yield "shellcheck", 1, first_error(run.stderr)
    for line in run.stdout.splitlines():
        path, number, _, message = line.split(":", 3)
        yield path, int(number), message.strip()


def machine_flags(build_dir, source_root):
    """The last -march of each source of the layers: libdpdk.pc brings a lower one along."""
    with open(os.path.join(build_dir, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    for entry in entries:
        source = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
        path = os.path.relpath(source, source_root)
        found = [word for word in shlex.split(entry["command"]) if word.startswith("-march=")]
        if path.split("/")[0] in places.LAYERS and found and found[-1] != places.MACHINE_FLAG:
            yield path, 1, f"is compiled for {found[-1]}, not {places.MACHINE_FLAG}"


def have(program):
    return shutil.which(program) is not None
