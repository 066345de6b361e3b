"""Kafka's DumpLogSegments reads what our builders wrote and `millrace log seal` trimmed (H9).

    segments.py GOLDEN_SEGMENTS MILLRACE

Every file is accepted without complaint, and both dump tools say the same of every batch, record,
index entry, producer and metadata record. Without the jars (see pins.py) the test is skipped.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import kafka_dump  # noqa: E402
import pins  # noqa: E402
import tap  # noqa: E402


def ours(tool, path, *options):
    """The rows of our dump of one file."""
    done = subprocess.run([tool, "log", "dump", "-o", "json", *options, str(path)],
                          stdout=subprocess.PIPE, text=True, timeout=120, check=False)
    if done.returncode != 0:
        return [f"status {done.returncode}"]
    return [row for row in map(json.loads, done.stdout.splitlines()) if "file" not in row]


def fields(line):
    """{'baseOffset': '0', ...} of a line "baseOffset: 0 lastOffset: 3 ..."."""
    return dict(re.findall(r"(\w+): (\S+)", line))


def kafka_log_rows(text):
    """What Kafka says of a .log, as rows in the shape of ours."""
    rows = []
    for line in text.splitlines():
        if line.startswith("baseOffset: "):
            f = fields(line)
            rows.append((int(f["baseOffset"]), int(f["lastOffset"]), int(f["count"]),
                         int(f["position"]), int(f["size"]), f["compresscodec"],
                         int(f["partitionLeaderEpoch"]), int(f["producerId"]),
                         int(f["producerEpoch"]), int(f["baseSequence"]),
                         int(f.get("CreateTime", f.get("LogAppendTime"))),
                         f["isTransactional"] == "true", f["isControl"] == "true",
                         f["isvalid"] == "true"))
        elif line.startswith("| "):
            f = fields(line)
            time = int(f.get("CreateTime", f.get("LogAppendTime")))
            keys = re.search(r"headerKeys: \[(.*?)\]", line).group(1)
            key = re.search(r" key: (.*?)(?= payload: |$)", line)
            value = re.search(r" payload: (.*)$", line)
            rows.append((int(f["offset"]), time, int(f["keySize"]), int(f["valueSize"]),
                         [k for k in keys.split(",") if k], key and key.group(1),
                         value and value.group(1)))
    return rows


def size_of(row, name):
    """Bytes of a key or value; those that are no text stand as base64."""
    if name in row:
        return -1 if row[name] is None else len(row[name].encode())
    return len(row[name + "_base64"].rstrip("=")) * 3 // 4


def our_log_rows(rows, is_text):
    out = []
    for row in rows:
        if "base_offset" in row:
            out.append((row["base_offset"], row["last_offset"], row["records"], row["position"],
                        row["size"], row["codec"], row["leader_epoch"], row["producer_id"],
                        row["producer_epoch"], row["base_sequence"], row["max_timestamp"],
                        row["transactional"], row["control"], row["checksum_good"]))
            hidden = row["control"] or not is_text
        else:
            out.append((row["offset"], row["timestamp"], size_of(row, "key"),
                        size_of(row, "value"), [h["key"] for h in row["headers"]],
                        None if hidden else row.get("key"),
                        None if hidden else row.get("value")))
    return out


def differences(mine, theirs):
    faults = [f"row {i}: ours {a} theirs {b}" for i, (a, b) in enumerate(zip(mine, theirs))
              if a != b]
    if len(mine) != len(theirs) or not mine:
        faults.append(f"{len(mine)} rows here, {len(theirs)} there")
    return faults


def same_keys(value):
    """Names without case: Kafka writes zkMigration where a rule would make zkmigration."""
    if isinstance(value, dict):
        return {key.lower(): same_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [same_keys(item) for item in value]
    return value


def check_partition(checks, kafka, tool, folder):
    files = kafka_dump.files_of(folder)
    is_text = not folder.name.startswith("__")
    faults, told = kafka.dump(files, "--deep-iteration",
                              *(["--print-data-log"] if is_text else []))
    checks.faults(f"{folder.name}: Kafka reads {len(files)} files without complaint", faults)
    for path in files:
        text = told.get(path, "")
        if path.suffix == ".log":
            mine = our_log_rows(ours(tool, path, "--records"), is_text)
            theirs = kafka_log_rows(text)
        elif path.suffix == ".index":
            mine = [(r["offset"], r["position"]) for r in ours(tool, path)]
            theirs = [(int(f["offset"]), int(f["position"]))
                      for f in map(fields, text.splitlines()) if f]
        elif path.suffix == ".timeindex":
            mine = [(r["timestamp"], r["offset"]) for r in ours(tool, path)]
            theirs = [(int(f["timestamp"]), int(f["offset"]))
                      for f in map(fields, text.splitlines()) if f]
        elif path.suffix == ".snapshot":
            mine = [(r["producer_id"], r["epoch"], r["coordinator_epoch"], r["txn_first_offset"])
                    for r in ours(tool, path)]
            theirs = [(int(f["producerId"]), int(f["producerEpoch"]), int(f["coordinatorEpoch"]),
                       int((re.findall(r"\d+", f["currentTxnFirstOffset"]) or [-1])[0]))
                      for f in map(fields, text.splitlines()) if f]
            mine.sort()
            theirs.sort()
        else:
            mine = [tuple(r.values()) for r in ours(tool, path)]
            theirs = [(int(f["producerId"]), int(f["firstOffset"]), int(f["lastOffset"]),
                       int(f["lastStableOffset"])) for f in map(fields, text.splitlines()) if f]
        if mine or theirs:
            checks.faults(f"{folder.name}: both say the same of {path.name} ({len(theirs)} rows)",
                          differences(mine, theirs))


def check_sanity(checks, kafka, folders):
    indexes = sorted(p for folder in folders for p in folder.iterdir() if "index" in p.suffix
                     and p.suffix != ".txnindex" and p.stat().st_size > 0)
    faults, told = kafka.dump(indexes, "--index-sanity-check")
    checks.faults(f"{len(indexes)} indexes pass Kafka's sanity check",
                  faults + [t for t in told.values() if "passed sanity check" not in t])
    checks.faults("and its verification", kafka.dump(indexes, "--verify-index-only")[0])


def check_metadata(checks, kafka, tool, folder):
    path = folder / f"{0:020d}.log"
    faults, told = kafka.dump([path], "--cluster-metadata-decoder")
    theirs = [json.loads(line.split(" payload: ", 1)[1])
              for line in told[path].splitlines() if " payload: " in line]
    mine = [row["metadata"] for row in ours(tool, path, "--records")
            if "metadata" in row and "version" in row["metadata"]]
    kinds = {(m["type"], m["version"]) for m in theirs}
    checks.faults(f"metadata log: both say the same of {len(theirs)} records ({len(kinds)} kinds)",
                  faults + differences(*([same_keys(m) for m in side] for side in (mine, theirs))))


def run(builder, tool, kafka, folder):
    data, sealed = folder / "data", folder / "sealed"
    subprocess.run([builder, str(data)], check=True)
    checks = tap.Tap()
    for path in (data, sealed):
        if path is sealed:
            subprocess.run([tool, "log", "seal", str(data), str(sealed)], check=True,
                           stdout=subprocess.DEVNULL)
        done = subprocess.run([tool, "log", "verify", str(path)], stdout=subprocess.PIPE,
                              text=True, check=False)
        checks.faults(f"millrace log verify accepts {path.name}",
                      [] if done.returncode == 0 else done.stdout.splitlines())
    last = sorted((data / "orders-0").glob("*.log"))[-1]
    faults, _ = kafka.dump([last], "--deep-iteration")
    checks.faults("Kafka refuses the space set aside in an active segment, so sealing is needed",
                  [] if faults else ["it was read without complaint"])
    for folder_name in ("orders-0", "txn-0", "__cluster_metadata-0"):
        check_partition(checks, kafka, tool, sealed / folder_name)
    check_sanity(checks, kafka, [sealed / "orders-0", sealed / "__cluster_metadata-0"])
    check_metadata(checks, kafka, tool, sealed / "__cluster_metadata-0")
    return checks.done()


def main():
    try:
        kafka = kafka_dump.DumpTool()
    except pins.Unavailable as error:
        tap.skip_all(error)
    with tempfile.TemporaryDirectory() as folder:
        return run(sys.argv[1], sys.argv[2], kafka, pathlib.Path(folder))


sys.exit(main())
