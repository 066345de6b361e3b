"""Kafka's own DumpLogSegments: an independent reader of every file in a data directory."""

import pathlib
import re
import subprocess

import pins

JAVA_SECONDS_MAX = 300
ARGUMENT_BYTES_MAX = 100_000  # Linux takes 128 KiB as one argument.
SUFFIXES = (".log", ".index", ".timeindex", ".snapshot", ".txnindex")


def files_of(folder):
    """What the tool can read of a partition's directory."""
    return sorted(p for p in pathlib.Path(folder).iterdir() if p.suffix in SUFFIXES)


def chunks(files):
    """The files in lists whose names, joined, fit into one argument."""
    some, size = [], 0
    for file in files:
        length = len(str(file)) + 1
        if some and size + length > ARGUMENT_BYTES_MAX:
            yield some
            some, size = [], 0
        some.append(file)
        size += length
    if some:
        yield some


class DumpTool:
    """Raises pins.Unavailable when Kafka's jars are not to be had."""

    def __init__(self):
        self.command = [pins.java(), "-XX:TieredStopAtLevel=1", "-cp", pins.maven_classpath(),
                        "kafka.tools.DumpLogSegments"]

    def dump(self, files, *options):
        """(what is wrong, {file: text}) of all files; as few runs as the command line allows."""
        faults, told = [], {}
        for some in chunks(files):
            more_faults, more_told = self._dump_some(some, options)
            faults += more_faults
            told |= more_told
        return faults, told

    def _dump_some(self, files, options):
        done = subprocess.run([*self.command, *options, "--files", ",".join(map(str, files))],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              errors="replace", timeout=JAVA_SECONDS_MAX, check=False)
        faults = [line for line in done.stderr.splitlines()
                  if line and not line.startswith(("SLF4J", "[main] INFO", "[main] WARN"))]
        texts = re.split(r"^Dumping (.*)$", done.stdout, flags=re.M)[1:]
        told = {pathlib.Path(path): text for path, text in zip(texts[::2], texts[1::2])}
        faults += [f"{path.name}: {line}" for path, text in told.items()
                   for line in text.splitlines()
                   if "invalid bytes" in line or "isvalid: false" in line]
        if done.returncode != 0:
            faults.append(f"status {done.returncode}")
        faults += [f"says nothing of {path}" for path in files if pathlib.Path(path) not in told]
        return faults, told
