"""Runs the calling script under an interpreter that has the pinned clients."""

import os
import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "interop"), str(TESTS)]
import brokers  # noqa: E402,F401  pylint: disable=wrong-import-position,unused-import
import pins  # noqa: E402  pylint: disable=wrong-import-position
from tap import skip_all  # noqa: E402  pylint: disable=wrong-import-position


def need_clients():
    """Returns only under that interpreter; without one the whole program is a skip."""
    try:
        import confluent_kafka  # noqa: F401  pylint: disable=unused-import,import-outside-toplevel
        return
    except ImportError:
        pass
    try:
        interpreter = pins.python_with("clients")
    except pins.Unavailable as absent:
        skip_all(str(absent))
    os.execv(interpreter, [interpreter, *sys.argv])
