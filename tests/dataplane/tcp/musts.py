#!/usr/bin/env python3
"""Holds musts.txt: every MUST of RFC 9293 has its line, and what a line names is there."""
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
MUSTS = range(1, 70)
SCENARIOS_MIN = 150
REASON_MIN = 20


def scenarios():
    titles = []
    for path in sorted((HERE / "scripts").glob("*.pkt")):
        titles += re.findall(r"^scenario (.*)$", path.read_text(encoding="ascii"), re.M)
    return titles


def wrong_with(kind, what, titles):
    if kind == "script":
        return None if what in titles else f"no scenario is called so: {what}"
    if kind == "none":
        return None if len(what) >= REASON_MIN else "a reason is missing"
    if kind != "unit":
        return f"an unknown kind: {kind}"
    file, test = what.split(":")
    text = (HERE.parent / file).read_text(encoding="ascii")
    listed = re.search(rf"(RIG_TEST|cmocka_unit_test)\({test}\)", text)
    return None if listed else f"{file} has no test {test}"


def main():
    titles = scenarios()
    faults = [f"two scenarios are called {title}" for title in sorted(set(titles))
              if titles.count(title) > 1]
    if len(titles) < SCENARIOS_MIN:
        faults.append(f"{len(titles)} scenarios, wanted {SCENARIOS_MIN}")
    seen = set()
    for line in (HERE / "musts.txt").read_text(encoding="ascii").splitlines():
        if not line or line.startswith("#"):
            continue
        number, kind, what = re.fullmatch(r"(\d+) (\w+): (.*)", line).groups()
        seen.add(int(number))
        fault = wrong_with(kind, what, titles)
        if fault:
            faults.append(f"MUST-{number}: {fault}")
    faults += [f"MUST-{number} has no line" for number in MUSTS if number not in seen]
    faults += [f"there is no MUST-{number}" for number in sorted(seen - set(MUSTS))]
    for fault in faults:
        print(fault)
    print(f"{len(titles)} scenarios, {len(seen)} MUSTs, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
