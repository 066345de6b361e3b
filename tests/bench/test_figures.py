"""How memory is counted: what two processes share, once; huge pages of both."""

import mmap
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(1, str(HERE.parent))
import figures  # noqa: E402  pylint: disable=wrong-import-position
from tap import Tap  # noqa: E402  pylint: disable=wrong-import-position

SHARED = 64 * figures.MIB
OWN = 16 * figures.MIB


def touch(memory):
    for at in range(0, len(memory), mmap.PAGESIZE):
        memory[at] = 1


def shared_pages_count_once_and_own_ones_each():
    shared = mmap.mmap(-1, SHARED)  # MAP_SHARED: the child has the same pages.
    touch(shared)
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        touch(shared)
        own = mmap.mmap(-1, OWN, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        touch(own)
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        os._exit(0)
    try:
        os.read(ready[0], 1)
        together = sum(figures.rollup(pid) for pid in (os.getpid(), child))
    finally:
        os.write(go[1], b"x")
        os.waitpid(child, 0)
    alone = figures.rollup(os.getpid())
    more = together - alone
    assert OWN <= more < OWN + SHARED // 2, f"{more >> 20} MiB more for the second process"


def main():
    tap = Tap()
    tap.check("H31: pages that both processes have count once, their own ones each",
              shared_pages_count_once_and_own_ones_each)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
