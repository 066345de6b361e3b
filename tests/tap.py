"""A small TAP writer: named checks, one line each, a failing one with its reason."""

import sys
import traceback


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = 0

    def _line(self, ok, name, note=""):
        self.count += 1
        self.failed += 0 if ok else 1
        print(f"{'ok' if ok else 'not ok'} {self.count} - {name}{note}", flush=True)

    def check(self, name, function, *arguments):
        """Runs function; anything it raises fails the check, the others go on."""
        try:
            function(*arguments)
        except Exception:  # pylint: disable=broad-except
            self._line(False, name)
            for line in traceback.format_exc().splitlines():
                print("# " + line, flush=True)
            return False
        self._line(True, name)
        return True

    def faults(self, name, faults):
        """A check whose faults were collected: none is a pass, the first ones are told."""
        self._line(not faults, name)
        for fault in faults[:10]:
            print("# " + str(fault)[:1500].replace("\n", "\n# "), flush=True)

    def that(self, name, good, detail):
        """A check already decided; detail is told when it failed."""
        self.faults(name, [] if good else [detail])

    def skip(self, name, reason):
        self._line(True, name, f" # SKIP {reason}")

    def done(self):
        print(f"1..{self.count}", flush=True)
        return 1 if self.failed else 0


def run(tests):
    """Functions whose names are sentences, each one check. Returns the exit status."""
    tap = Tap()
    for test in tests:
        tap.check(test.__name__, test)
    return tap.done()


def skip_all(reason):
    """The whole program cannot run here."""
    print(f"1..0 # SKIP {reason}", flush=True)
    sys.exit(0)


def equal(got, want, what=""):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}"[:2000])
