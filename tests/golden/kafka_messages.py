"""Golden bytes: Kafka's own Java classes and our codec read and write each other's messages.

    kafka_messages.py GOLDEN_CODEC

Every API, kind and version, every record of the metadata log, both directions: the bytes must be
equal and so must be what each side says they mean. Also the tables: version ranges, headers, error
codes, record frames. Without the jars (see pins.py) the test is skipped.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import pins  # noqa: E402
import tap  # noqa: E402

JAVA_SECONDS_MAX = 300


def parse(path, is_ours):
    """{(name, version, seed): (hex, meaning)} of a file of messages."""
    found = {}
    for line in filter(None, path.read_text(encoding="utf-8").split("\n")):
        name, version, seed, rest = line.split(" ", 3)
        code, _, meaning = rest.partition(" ")
        try:
            meaning = plain(json.loads(meaning), is_ours)
        except json.JSONDecodeError:  # An error of either side, in words.
            pass
        found[name, int(version), int(seed)] = (code, meaning)
    return found


def plain(value, is_ours):
    """The names of both sides without case and underscores; our texts are bytes still."""
    if isinstance(value, dict):
        return {key.replace("_", "").lower(): plain(item, is_ours) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item, is_ours) for item in value]
    if isinstance(value, str) and is_ours:
        return value.encode("latin-1").decode("utf-8")
    return value


def differences(ours, theirs):
    for key in sorted(set(ours) | set(theirs)):
        where = "{} version {} seed {}: ".format(*key)
        if key not in ours or key not in theirs:
            yield where + "only one side has it"
        elif ours[key] != theirs[key]:
            for what, a, b in zip(("bytes", "meaning"), ours[key], theirs[key]):
                if a != b:
                    yield f"{where}{what} differ: ours {a} theirs {b}"


def per_message(checks, title, ours, theirs):
    """One check per message name, so that the log shows what was covered."""
    for name in sorted({key[0] for key in ours} | {key[0] for key in theirs}):
        mine = {key: value for key, value in ours.items() if key[0] == name}
        yours = {key: value for key, value in theirs.items() if key[0] == name}
        versions = len({key[1] for key in yours})
        checks.faults(f"{name}: {title} ({versions} versions, {len(yours)} messages)",
                      list(differences(mine, yours)))


def run(codec, classpath, folder):
    ours, ours_read, made, made_read, theirs = (
        folder / name for name in ("ours", "ours_read", "made", "made_read", "tables"))
    with open(ours, "wb") as out:
        subprocess.run([codec, "make"], stdout=out, check=True)
    subprocess.run([pins.java(), "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", classpath,
                    str(HERE / "Golden.java"), *map(str, (ours, ours_read, made, theirs))],
                   check=True, timeout=JAVA_SECONDS_MAX)
    with open(made, "rb") as source, open(made_read, "wb") as out:
        subprocess.run([codec, "read"], stdin=source, stdout=out, check=True)
    our_tables = subprocess.run([codec, "tables"], stdout=subprocess.PIPE, check=True, text=True)
    checks = tap.Tap()
    mine, kafkas = parse(ours, True), parse(made, False)
    per_message(checks, "Kafka reads ours", mine, parse(ours_read, False))
    per_message(checks, "we read Kafka's", parse(made_read, True), kafkas)
    checks.faults("messages of defaults are the same", list(differences(
        *({key: value for key, value in side.items() if key[2] == 0} for side in (mine, kafkas)))))
    here = set(our_tables.stdout.splitlines())
    there = set(theirs.read_text(encoding="utf-8").splitlines())
    for kind in ("api", "request_header", "response_header", "error", "frame"):
        rows = [{row for row in side if row.startswith(kind + " ")} for side in (here, there)]
        checks.faults(f"the table of {kind} is Kafka's ({len(rows[1])} rows)",
                      ["ours: " + row for row in sorted(rows[0] - rows[1])] +
                      ["theirs: " + row for row in sorted(rows[1] - rows[0])] +
                      ([] if rows[1] else ["is empty"]))
    return checks.done()


def main():
    try:
        classpath = pins.maven_classpath()
    except pins.Unavailable as error:
        tap.skip_all(error)
    with tempfile.TemporaryDirectory() as folder:
        return run(sys.argv[1], classpath, pathlib.Path(folder))


sys.exit(main())
