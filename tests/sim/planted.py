#!/usr/bin/env python3
"""Bugs planted on purpose: does anybody notice?

    planted.py --source TREE --scratch DIR [--only REGEX]
    planted.py --source TREE                 does each still apply? Nothing is built.

Each file in planted/ breaks one rule in the production code. It is applied to a scratch copy of the
tree, which is built again as far as the patch reaches into it, and then the runs named in its head
are made until one fails. A bug that no run notices fails this test: then the simulator or a unit
test looks too little. So does a patch that no longer applies, and a run that fails without any bug.

The head of a patch:

    Breaks: what is wrong now.
    Rule: the rule that it breaks.
    Find: sim --trouble 2          one kind of trouble, 40 seeds unless --count says otherwise
    Find: test_log_append          a unit test's program
    Find: test_tcp                 all packet scripts
    Find: stack_sim --count 100    two TCP stacks over a bad link

A run that does not come to its end finds nothing: it may only be slow. What counts is the CPU time
it has had, so that a machine that is busy with other things changes no verdict.
"""
import argparse
import concurrent.futures
import fcntl
import filecmp
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

PARTS = ["meson.build", "dataplane", "storage", "control", "tools", "tests", "hw-profiles"]
SCRIPTS = pathlib.Path(__file__).resolve().parents[1] / "dataplane" / "tcp" / "scripts"
SEEDS = 40
HUNT_SECONDS_MAX = 45
CONTROL_SECONDS_MAX = 400
WALL_TIMES_MAX = 6  # As long as it may take to get that CPU time.


class Failure(Exception):
    pass


class Endless(Failure):
    """A run reached its time."""


# ---- Patches -------------------------------------------------------------------------------------


class Patch:
    """Hunks by the lines they hold: where they stand may move, what they say may not change."""

    def __init__(self, path):
        self.name = path.stem
        self.head = {"Breaks": [], "Rule": [], "Find": []}
        self.hunks = []  # (file, old text, new text)
        self.parse(path.read_text())
        if not (self.head["Breaks"] and self.head["Rule"] and self.head["Find"] and self.hunks):
            raise Failure(f"{path.name}: its head must say Breaks, Rule and Find")

    def parse(self, text):
        file = None
        old, new = [], []

        def close():
            if old or new:
                self.hunks.append((file, "".join(old), "".join(new)))
                old.clear()
                new.clear()

        for line in text.splitlines(keepends=True):
            key = line.split(":")[0]
            if file is None and key in self.head:
                self.head[key].append(line.split(":", 1)[1].strip())
            elif line.startswith("--- "):
                close()
            elif line.startswith("+++ b/"):
                file = line[6:].strip()
            elif line.startswith("@@"):
                close()
            elif file is not None:
                if line[0] in " -":
                    old.append(line[1:])
                if line[0] in " +":
                    new.append(line[1:])
        close()

    @property
    def files(self):
        return {file for file, _, _ in self.hunks}

    def apply(self, source):
        """The files' new contents, by path."""
        contents = {}
        for file, old, new in self.hunks:
            if file not in contents:
                if not (source / file).exists():
                    raise Failure(f"{self.name} no longer applies: there is no {file}")
                contents[file] = (source / file).read_text()
            count = contents[file].count(old)
            if count != 1:
                raise Failure(f"{self.name} no longer applies: its lines stand {count} times in "
                              f"{file}, wanted once:\n{old}\nMake the patch anew: plant the same "
                              f"bug in today's code.")
            contents[file] = contents[file].replace(old, new)
        return contents


# ---- The scratch copy ----------------------------------------------------------------------------


class Scratch:
    def __init__(self, source, scratch):
        self.source = source
        self.tree = scratch / "tree"
        self.build = scratch / "build"
        self.log = scratch / "build.log"
        self.patched = set()
        self.tree.mkdir(parents=True, exist_ok=True)
        self.lock = open(scratch / "lock", "w", encoding="utf-8")
        fcntl.flock(self.lock, fcntl.LOCK_EX)  # One at a time.
        self.copy()

    def copy(self):
        """Brings the tree up to date, touching only what differs, so that little is rebuilt."""
        wanted = set()
        for part in PARTS:
            top = self.source / part
            for path in [top] if top.is_file() else sorted(top.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    wanted.add(path.relative_to(self.source))
        for path in sorted(self.tree.rglob("*")):
            if path.is_file() and path.relative_to(self.tree) not in wanted:
                path.unlink()
        for path in wanted:
            self.restore(path)

    def restore(self, path):
        to = self.tree / path
        if not to.exists() or not filecmp.cmp(self.source / path, to, shallow=False):
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.source / path, to)
            shutil.copymode(self.source / path, to)

    def plant(self, patch):
        """patch None: the tree as it is."""
        contents = patch.apply(self.source) if patch else {}
        for file in self.patched - set(contents):
            self.restore(file)
        for file, content in contents.items():
            (self.tree / file).write_text(content)
        self.patched = set(contents)

    def call(self, *command):
        with open(self.log, "w", encoding="utf-8") as log:
            result = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)
        if result.returncode != 0:
            lines = self.log.read_text(errors="replace").splitlines()
            errors = [line for line in lines if "error:" in line] or lines[-10:]
            raise Failure(f"{' '.join(command[:3])} failed: " + "\n".join(errors[:10]))

    def configure(self):
        if not (self.build / "build.ninja").exists():
            self.call("meson", "setup", str(self.build), str(self.tree),
                      "-Dbuildtype=debugoptimized", "-Ddebug=false")  # Nobody looks at it.

    def programs(self, names):
        """Builds the programs; returns where they are by name."""
        text = subprocess.run(["ninja", "-C", str(self.build), "-t", "targets", "all"],
                              capture_output=True, text=True, check=True).stdout
        found = {}
        for line in text.splitlines():
            target = line.split(":")[0]
            if os.path.basename(target) in names and "LINKER" in line:
                found[os.path.basename(target)] = target
        missing = set(names) - set(found)
        if missing:
            raise Failure(f"there is no program {', '.join(sorted(missing))}")
        self.call("ninja", "-C", str(self.build), *found.values())
        return {name: self.build / target for name, target in found.items()}


# ---- Runs ----------------------------------------------------------------------------------------


def command_of(find, programs):
    name, *arguments = find.split()
    if name == "sim" and "--count" not in arguments:
        arguments += ["--count", str(SEEDS)]
    if name == "sim" and "--seed" not in arguments:
        arguments += ["--seed", "1"]
    if name == "test_tcp":
        arguments = sorted(str(path) for path in SCRIPTS.glob("*.pkt"))
    return [str(programs[name]), *arguments]


running = set()


def on_terminate(*_):
    """Nothing goes on when meson's time is over."""
    for process in list(running):
        process.kill()
    os._exit(1)


def cpu_seconds(process):
    """What it has had so far; nothing of one that is over."""
    try:
        stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text()
    except OSError:
        return 0
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def output_of(process, seconds_max):
    """None when it has had so much CPU time, or waited far longer for it, without an end."""
    began = time.monotonic()
    while True:
        try:
            return process.communicate(timeout=1)[0]
        except subprocess.TimeoutExpired:
            waited = time.monotonic() - began
            if cpu_seconds(process) >= seconds_max or waited >= seconds_max * WALL_TIMES_MAX:
                return None


def run(find, programs, seconds_max):
    """None when the run finds nothing wrong, else a line that says what."""
    command = command_of(find, programs)
    # Meson's MALLOC_PERTURB_ touches all of every pool, at each of hundreds of starts.
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", MALLOC_PERTURB_="0")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=environment, text=True, errors="replace") as process:
        running.add(process)
        try:
            output = output_of(process, seconds_max)
            if output is None:
                process.kill()
                process.communicate()
                raise Endless(f"{find} does not come to an end in {seconds_max} s of CPU time")
        finally:
            running.discard(process)
        code = process.returncode
    if code == 0:
        return None
    return verdict(output, code)


def verdict(output, code):
    replay = re.search(r"replay: .*--seed (\d+)", output)
    where = f"seed {replay[1]}: " if replay else ""
    for pattern in (r"FAILED: (.*)", r"not ok \d+ - (.*)", r"(\S+:\d+: .*)", r"(.*rror.*)"):
        match = re.search(pattern, output)
        if match:
            return where + match[1]
    lines = output.strip().splitlines()
    return where + (lines[-1] if lines else f"ended with {code}")


def hunt(patch, programs):
    """(the run that found it or None, what it said, seconds)"""
    began = time.monotonic()
    late = ""
    for find in patch.head["Find"]:
        try:
            said = run(find, programs, HUNT_SECONDS_MAX)
        except Endless as failure:
            late = str(failure)
            continue
        if said is not None:
            return find, said, time.monotonic() - began
    return None, late, time.monotonic() - began


# ---- All of it -----------------------------------------------------------------------------------


def keep(programs, to):
    """Copies of the programs that stay while the next bug is built."""
    to.mkdir(parents=True, exist_ok=True)
    kept = {}
    for name, path in programs.items():
        kept[name] = to / name
        shutil.copy(path, kept[name])
    return kept


def names_of(finds):
    return sorted({find.split()[0] for find in finds})


def print_row(*columns):
    print("{:<38} {:<10} {:<26} {:>6}  {}".format(*columns), flush=True)


def hunt_all(patches, scratch, programs_dir, pool):
    """Builds one bug after the other while those before are being looked for."""
    failures = []
    finds = sorted({find for patch in patches for find in patch.head["Find"]})
    scratch.plant(None)
    programs = keep(scratch.programs(names_of(finds)), programs_dir / "control")
    control = {find: pool.submit(run, find, programs, CONTROL_SECONDS_MAX) for find in finds}
    hunts = []
    for patch in patches:
        try:
            scratch.plant(patch)
            kept = keep(scratch.programs(names_of(patch.head["Find"])), programs_dir / patch.name)
        except Failure as failure:
            failures.append(str(failure))
            continue
        hunts.append((patch, pool.submit(hunt, patch, kept)))
    print_row("bug", "rule", "found by", "s", "how")
    for patch, future in hunts:
        find, said, seconds = future.result()
        print_row(patch.name, patch.head["Rule"][0], find or "NOBODY", f"{seconds:.1f}", said[:90])
        if find is None:
            failures.append(f"{patch.name} was not found by {', '.join(patch.head['Find'])}: "
                            f"{patch.head['Breaks'][0]}")
    for find, future in control.items():
        try:
            said = future.result()
        except Endless as failure:
            said = str(failure)
        if said is not None:
            failures.append(f"{find} fails without any bug: {said}")
    return failures


def all_apply(patches, source):
    failures = []
    for patch in patches:
        try:
            patch.apply(source)
        except Failure as failure:
            failures.append(str(failure))
    return failures


def hunt_in(options, patches):
    # One file's patches in a row: between them little is rebuilt.
    patches.sort(key=lambda patch: (sorted(patch.files), patch.name))
    programs_dir = options.scratch.resolve() / "programs"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        try:
            scratch = Scratch(options.source, options.scratch.resolve())
            shutil.rmtree(programs_dir, ignore_errors=True)
            scratch.configure()
            failures = hunt_all(patches, scratch, programs_dir, pool)
        except Failure as failure:
            failures = [str(failure)]
    shutil.rmtree(programs_dir, ignore_errors=True)
    return failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--scratch", type=pathlib.Path)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    began = time.monotonic()
    signal.signal(signal.SIGTERM, on_terminate)
    signal.signal(signal.SIGINT, on_terminate)
    patches = []
    for path in sorted((options.source / "tests/sim/planted").glob("*.patch")):
        if re.search(options.only, path.stem):
            patches.append(Patch(path))
    failures = hunt_in(options, patches) if options.scratch else \
        all_apply(patches, options.source)
    for failure in failures:
        print(f"FAILED: {failure}")
    print(f"{len(patches)} bugs, {len(failures)} failures, {time.monotonic() - began:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
