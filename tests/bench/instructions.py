#!/usr/bin/env python3
"""Instructions per request and per byte, counted by callgrind, held under ceilings.

    instructions.py --program build/tests/bench/count_requests --libraries build

The program answers a number of equal requests over simulated disk and network; two runs of
different length differ by that many requests. Counted are functions of the libraries of storage and
dataplane, and the C library's copying: nothing of the test, the twins or the kernel. A count does
not depend on the machine, except that valgrind shows no AVX-512: the CRC is SSE 4.2's.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import tap  # noqa: E402  pylint: disable=wrong-import-position

# case: (requests of the shorter run, ceiling of instructions per request). The ceilings are some
# 8 % above what was counted, with assertions. Valgrind counts a copy of the payload as an
# instruction per byte: the ceilings of produce leave room for the one made with the CRC, and those
# of fetch for none.
CEILINGS = {
    "produce-100b": (2000, 1505),
    "produce-16k": (400, 13975),
    "produce-100k": (100, 75200),
    "fetch-128k": (200, 12900),
    "fetch-1m": (100, 13200),
    # 5,000 topic ids of a client that wants them to fall on one place: nothing grows with their
    # square.
    "fetch-chosen-ids": (2, 9200000),
    "metadata-alike-ids": (2, 3600000),
}
# The whole way of a small produce request over our own TCP: from the port's receive burst to its
# send burst, with DPDK's ring port (count_path), which stands for a device that sums; the second is
# over one that does not. The third has its partitions on the core of the connections, the fourth on
# another one: the difference is what a hop by mail costs.
PATH_CEILINGS = {
    "path-produce-100b": (640, 3520),
    "path-produce-100b-summed": (640, 3840),
    "path-produce-100b-of-two-cores": (640, 3760),
    "path-produce-100b-by-mail": (640, 4060),
    # A turn in which nothing happens: one that looks everywhere, and those behind it, which look
    # only where news come from.
    "path-turn-look": (640, 813),
    "path-turn-idle": (640, 201),
}
HOP_CEILING = 305  # What "by-mail" may take more than "of-two-cores": there and back again.
# Of them, in dataplane/tcp, net, stack and nic.
STACK_CEILINGS = {"path-produce-100b": 1125, "path-produce-100b-summed": 1400}
PATH_TOP = 30
# Valgrind counts `rep stos` and `rep movs` once per byte. No payload to speak of is in these cases,
# but one block of the log in 24 requests is zeroed: they are counted with vectors instead.
NO_STRING_INSTRUCTIONS = ("glibc.cpu.x86_rep_stosb_threshold=1048576:"
                          "glibc.cpu.x86_rep_movsb_threshold=1048576")
COPYING = re.compile(r"^(__)?mem(cpy|move|set|cmp)")
BESIDE_THE_CORE = {"zero_run"}  # Housekeeping zeroes ahead, by the hundred KB.


def functions(libraries):
    names = set()
    for library in sorted(libraries):
        listed = subprocess.run(["nm", "--defined-only", library], stdout=subprocess.PIPE,
                                check=True, text=True).stdout
        names.update(name.split(".")[0]
                     for name in re.findall(r"^\S+ [tT] (\S+)$", listed, re.M))
    return names


def written(folder):
    """The functions of C files: the linker makes functions of some that a library has not."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.[ch]")))
    return set(re.findall(r"^\w[\w *]*?\b(\w+)\([^;{}]*\)\n\{$", text, re.M))


def product_functions(libraries):
    """All of storage and dataplane, except what a twin stands in for and what only tests call. The
    tests are compiled apart: no function is inlined from one side into the other."""
    build = pathlib.Path(libraries)
    names = functions([*build.glob("storage/**/*.a"), *build.glob("dataplane/**/*.a")])
    for folder in (ROOT / "storage", ROOT / "dataplane", build / "dataplane"):
        names |= written(folder)
    names -= functions(build.glob("tests/sim/*.a")) | BESIDE_THE_CORE  # Scratch copies lie deeper.
    names.update(["eth_ring_rx", "eth_ring_tx"])  # DPDK's, of the port that is no device.
    return {name for name in names if not name.endswith("_invariants")}


def part_functions():
    """Those that only the bypass path has; names that other parts have too count as theirs."""
    ours, others = set(), set()
    for folder in sorted((ROOT / "dataplane").glob("*/")) + sorted((ROOT / "storage").glob("*/")):
        (ours if folder.name in ("tcp", "net", "stack", "nic") else others).update(written(folder))
    return ours - others | {"eth_ring_rx", "eth_ring_tx"}


def product_costs(path, product):
    """Instructions of each product function without those it calls, but with what it copies."""
    costs, names, function, called = {}, {}, None, None

    def name_of(match):
        if match[2]:
            names[match[1]] = match[2].split("'")[0].split(".")[0]
        return names[match[1]]

    for line in path.read_text(encoding="utf-8").splitlines():
        here = re.match(r"fn=\((\d+)\)(?: (.*))?$", line)
        there = re.match(r"cfn=\((\d+)\)(?: (.*))?$", line)
        if here:
            function, called = name_of(here), None
        elif there:
            called = name_of(there)
        elif re.match(r"[+\-*\d]", line) and function in product:
            key = function if called is None else called
            if called is None or COPYING.match(called):
                costs[key] = costs.get(key, 0) + int(line.split()[1])
            called = None
        elif re.match(r"[+\-*\d]", line):
            called = None
    return costs


def counted(options, case, requests, product, folder):
    out = pathlib.Path(folder, f"{case}.{requests}")
    program, more, environment = options.program, [], dict(os.environ)
    if case in PATH_CEILINGS:  # The load is the same code, and does not count.
        program, more = options.path_program, ["--collect-atstart=no",
                                               "--toggle-collect=turn_counted"]
        environment["GLIBC_TUNABLES"] = NO_STRING_INSTRUCTIONS
    subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "-q", *more,
                    program, case, str(requests)], stdout=subprocess.DEVNULL, env=environment,
                   check=True)
    return product_costs(out, product)


def runs_begin(pool, options, case, product, folder):
    """The shorter and the longer run, each beside others: no count depends on that."""
    requests = {**CEILINGS, **PATH_CEILINGS}[case][0]
    return [pool.submit(counted, options, case, count, product, folder)
            for count in (requests, 2 * requests)]


def judge(checks, options, case, runs):
    requests, ceiling = {**CEILINGS, **PATH_CEILINGS}[case]
    short, longer = (run.result() for run in runs)
    per = {name: (cost - short.get(name, 0)) / requests for name, cost in longer.items()}
    total = sum(per.values())
    print(f"# {case}: {total:.0f} instructions per request")
    if case in PATH_CEILINGS:
        stack = sum(count for name, count in per.items() if name in options.stack)
        print(f"#   {stack:.0f} of them in our TCP, its network and its port")
        if case in STACK_CEILINGS:
            checks.that(f"of {case} at most {STACK_CEILINGS[case]} are the stack's",
                        0 < stack <= STACK_CEILINGS[case], f"{stack:.0f}")
    top = max(options.top, PATH_TOP if case == "path-produce-100b" else 0)
    for name, count in sorted(per.items(), key=lambda item: -item[1])[:top]:
        print(f"#   {count:10.1f} {name}")
    checks.that(f"{case} takes at most {ceiling} instructions per request",
                0 < total <= ceiling, f"{total:.0f}")
    return total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--path-program", help="count_path; without it its cases are left out")
    parser.add_argument("--libraries", required=True, help="the build directory")
    parser.add_argument("--case", action="append", choices=sorted({**CEILINGS, **PATH_CEILINGS}))
    parser.add_argument("--top", type=int, default=0, help="name that many functions")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        tap.skip_all("no valgrind")
    checks = tap.Tap()
    options.stack = part_functions()
    product = product_functions(options.libraries)
    cases = options.case or [*CEILINGS, *(PATH_CEILINGS if options.path_program else [])]
    with tempfile.TemporaryDirectory() as folder, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {case: runs_begin(pool, options, case, product, folder) for case in cases}
        totals = {case: judge(checks, options, case, runs[case]) for case in cases}
    if {"path-produce-100b-by-mail", "path-produce-100b-of-two-cores"} <= totals.keys():
        hop = totals["path-produce-100b-by-mail"] - totals["path-produce-100b-of-two-cores"]
        checks.that(f"a hop by mail takes at most {HOP_CEILING} instructions",
                    0 < hop <= HOP_CEILING, f"{hop:.0f}")
    return checks.done()


if __name__ == "__main__":
    sys.exit(main())
