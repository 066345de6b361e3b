#!/usr/bin/env python3
"""Oracle and clients leave nothing behind, however they or their test end. Scripts stand in."""

import os
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(1, str(HERE.parent))
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import run  # noqa: E402  pylint: disable=wrong-import-position
import tap  # noqa: E402  pylint: disable=wrong-import-position

GONE_SECONDS_MAX = 60
# Ends at no kind word; says nothing or that it has started.
JAVA = """#!/bin/sh
case "$*" in *StorageTool*) exit 0 ;; esac
trap "" TERM
{says}
while :; do sleep 1; done
"""


# Starts a process that shares its output, and waits for ever.
CLIENT = """
import signal, subprocess, sys
with subprocess.Popen(["sleep", "1000"]) as child:
    print(child.pid, flush=True)
    signal.pause()
"""


def stand_in(says):
    """A Kafka whose java is a script."""
    brokers.pins.maven_classpath = lambda name: "none"
    oracle = brokers.Kafka()
    java = oracle.folder / "java"
    java.write_text(JAVA.format(says=says), encoding="utf-8")
    java.chmod(0o700)
    brokers.pins.java = lambda: str(java)
    oracle.stop_seconds_max = 0.1
    return oracle


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def one_that_does_not_start_is_gone_when_that_is_told():
    oracle = stand_in(":")
    oracle.start_seconds_max = 0.5
    try:
        oracle.start()
        raise AssertionError("it started")
    except RuntimeError:
        assert is_gone(oracle.process.pid) and not oracle.folder.exists()


def one_that_does_not_end_is_ended():
    with stand_in("echo Kafka Server started") as oracle:
        pid = oracle.process.pid
    assert is_gone(pid) and not oracle.folder.exists()


def one_whose_test_is_killed_goes_with_it():
    with subprocess.Popen([sys.executable, __file__, "child"], stdout=subprocess.PIPE) as child:
        pid, folder = child.stdout.readline().decode().split()
        child.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + GONE_SECONDS_MAX
    while not is_gone(int(pid)) or pathlib.Path(folder).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def a_client_that_hangs_says_where_and_all_of_it_ends():
    command = [sys.executable, "-c", CLIENT]
    with run.start_client(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        pid = int(client.stdout.readline())
        run.last_words(client, command)
        run.end_client(client)
        said = client.stdout.read().decode()  # To the end, which comes when nobody is left.
    assert 'File "<string>", line' in said, said
    deadline = time.monotonic() + GONE_SECONDS_MAX
    while not is_gone(pid):  # Until its new parent has heard of it.
        assert time.monotonic() < deadline
        time.sleep(0.01)


if __name__ == "__main__":
    if sys.argv[1:] == ["child"]:
        BROKER = stand_in("echo Kafka Server started").start()
        print(BROKER.process.pid, BROKER.folder, flush=True)
        signal.pause()
    sys.exit(tap.run([one_that_does_not_start_is_gone_when_that_is_told,
                      one_that_does_not_end_is_ended, one_whose_test_is_killed_goes_with_it,
                      a_client_that_hangs_says_where_and_all_of_it_ends]))
