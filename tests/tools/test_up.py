"""`millrace up`, `status`, `down` and `doctor` with stand-ins for the two processes.

test_up.py MILLRACE_BINARY. Speaks TAP.
"""

import contextlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import tap  # noqa: E402  pylint: disable=wrong-import-position
from ports import free_port  # noqa: E402  pylint: disable=wrong-import-position

BINARY = os.path.abspath(sys.argv[1])
FAKE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fake_process.py")


class Node:
    """A directory with the program, two stand-ins and data."""

    def __init__(self, base):
        self.bin = os.path.join(base, "bin")
        self.data = os.path.join(base, "data")
        os.makedirs(self.bin)
        os.makedirs(self.data)
        shutil.copy(BINARY, os.path.join(self.bin, "millrace"))
        for name in ("dataplane", "control"):
            path = os.path.join(self.bin, f"millrace-{name}")
            shutil.copy(FAKE, path)
            os.chmod(path, 0o755)
        self.http = f"127.0.0.1:{free_port()}"
        self.listen = f"127.0.0.1:{free_port()}"

    def command(self, *words):
        return [os.path.join(self.bin, "millrace"), *words]

    def run(self, *words):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MILLRACE_")}
        return subprocess.run(self.command(*words), text=True, capture_output=True, timeout=60,
                              env=environment, check=False)

    def up(self, *words):
        return self.run("up", "--detach", "--data", self.data, "--http", self.http, "--listen",
                        self.listen, *words)

    def status(self):
        return json.loads(self.run("status", "--data", self.data, "-o", "json").stdout)

    def pid(self, name):
        """0 while it is away."""
        pids = {p["name"]: p["pid"] for p in self.status()["processes"]}
        return pids.get(f"millrace-{name}", 0)

    def mode(self, name, text):
        with open(os.path.join(self.bin, f"mode-{name}"), "w", encoding="utf-8") as file:
            file.write(text)


@contextlib.contextmanager
def node():
    with tempfile.TemporaryDirectory(prefix="up-") as base:
        one = Node(base)
        try:
            yield one
        finally:
            one.run("down", "--data", one.data)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(KeyError):
            if condition():
                return True
        time.sleep(0.02)
    return False


def last_line(text):
    return [line for line in text.splitlines() if line.strip()][-1]


def detach_returns_when_ready_and_down_stops_all():
    with node() as one:
        up = one.up()
        assert up.returncode == 0, up.stderr
        assert f"millrace is ready at {one.listen}" in up.stdout, up.stdout
        status = one.status()
        assert status["ready"] is True and status["bootstrap"] == one.listen
        assert status["network_path"] == "sockets" and status["data"] == [one.data]
        assert [p["name"] for p in status["processes"]] == ["millrace-dataplane",
                                                            "millrace-control"]
        for process in status["processes"]:
            with open(f"/proc/{process['pid']}/cmdline", encoding="utf-8") as file:
                assert one.data in file.read().split("\0")
        pids = [p["pid"] for p in status["processes"]] + [status["supervisor"]]
        down = one.run("down", "--data", one.data)
        assert down.returncode == 0, down.stderr
        assert not any(alive(pid) for pid in pids)
        assert one.run("status", "--data", one.data).returncode == 1


def a_second_up_finds_the_first():
    with node() as one:
        assert one.up().returncode == 0
        before = one.pid("dataplane")
        assert before > 0
        again = one.up()
        assert again.returncode == 0 and "runs already" in again.stderr, again.stderr
        assert one.pid("dataplane") == before


def a_second_up_that_asks_for_another_address_is_warned():
    with node() as one:
        assert one.up().returncode == 0
        runs_at = one.listen
        one.listen = f"127.0.0.1:{free_port()}"
        again = one.up()
        assert again.returncode == 3 and "at other addresses" in last_line(again.stderr)
        assert f"ready at {runs_at}" in again.stdout, again.stdout


def status_tells_never_started_from_stopped():
    with node() as one:
        never = one.run("status", "--data", one.data)
        assert never.returncode == 1 and "was ever started" in never.stderr, never.stderr
        assert one.up().returncode == 0
        assert one.run("down", "--data", one.data).returncode == 0
        stopped = one.run("status", "--data", one.data)
        assert stopped.returncode == 1 and "nothing runs" in stopped.stderr, stopped.stderr
        assert one.run("down", "--data", one.data).returncode == 0


def a_refusal_is_the_last_line_and_nothing_is_left():
    with node() as one:
        one.mode("dataplane", "refuse")
        up = one.up()
        assert up.returncode == 1
        assert "foreign format version 9" in last_line(up.stderr), up.stderr
        assert last_line(up.stderr).count("millrace-dataplane") == 1, up.stderr
        assert one.status()["processes"] == []


def a_crash_loop_before_ready_gives_up_with_the_reason():
    with node() as one:
        one.mode("control", "crash")
        up = one.up()
        assert up.returncode == 1
        assert "control cannot go on" in last_line(up.stderr), up.stderr
        assert one.status()["processes"] == []


def a_killed_process_is_started_again_and_the_other_goes_on():
    with node() as one:
        assert one.up().returncode == 0
        for name, other in (("dataplane", "control"), ("control", "dataplane")):
            killed, kept = one.pid(name), one.pid(other)
            assert killed > 0 and kept > 0
            os.kill(killed, signal.SIGKILL)
            assert wait_for(lambda: one.pid(name) not in (killed, 0)), name
            assert one.pid(other) == kept
        assert wait_for(lambda: one.status()["ready"])


def neither_is_the_parent_of_the_other():
    with node() as one:
        assert one.up().returncode == 0
        status = one.status()
        for process in status["processes"]:
            with open(f"/proc/{process['pid']}/stat", encoding="utf-8") as file:
                assert int(file.read().rsplit(")", 1)[1].split()[1]) == status["supervisor"]


def a_process_that_refuses_to_come_back_does_not_stop_the_other():
    with node() as one:
        assert one.up().returncode == 0
        for name, other in (("dataplane", "control"), ("control", "dataplane")):
            killed, kept = one.pid(name), one.pid(other)
            assert killed > 0 and kept > 0
            one.mode(name, "refuse")
            os.kill(killed, signal.SIGKILL)
            log = os.path.join(one.data, ".millrace", f"{name}.log")
            assert wait_for(lambda: "refuses" in open(log, encoding="utf-8").read()), name
            one.mode(name, "")
            assert wait_for(lambda: one.pid(name) not in (killed, 0) and one.status()["ready"])
            assert one.pid(other) == kept


def a_killed_supervisor_leaves_both_at_work_and_down_finds_them():
    with node() as one:
        assert one.up().returncode == 0
        status = one.status()
        pids = [p["pid"] for p in status["processes"]]
        os.kill(status["supervisor"], signal.SIGKILL)
        time.sleep(0.1)
        assert all(alive(pid) for pid in pids)
        assert one.status()["ready"] is True
        assert one.run("down", "--data", one.data).returncode == 0
        assert not any(alive(pid) for pid in pids)


def up_takes_over_from_a_killed_supervisor():
    with node() as one:
        assert one.up().returncode == 0
        status = one.status()
        os.kill(status["supervisor"], signal.SIGKILL)
        time.sleep(0.1)
        up = one.up()
        assert up.returncode == 0 and "lost its supervisor" in up.stderr, up.stderr
        assert not any(alive(p["pid"]) for p in status["processes"])


def a_node_of_somebody_else_at_the_http_port_is_not_ours():
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"ready": true, "pid": 1}')

        def log_message(self, format, *args):
            pass

    with node() as one, http.server.HTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        one.http = f"127.0.0.1:{other.server_address[1]}"
        up = one.up()  # The stand-in of control cannot have the port and ends.
        other.shutdown()
        assert up.returncode == 1, up.stdout
        assert "Address already in use" in last_line(up.stderr), up.stderr


def ctrl_c_ends_a_node_in_the_foreground():
    with node() as one:
        words = one.command("up", "--data", one.data, "--http", one.http, "--listen", one.listen)
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True) as up:
            assert "is ready" in up.stdout.readline()
            pids = [p["pid"] for p in one.status()["processes"]]
            up.send_signal(signal.SIGINT)
            assert up.wait(30) == 0
            assert not any(alive(pid) for pid in pids)


def a_wrong_configuration_is_refused_with_its_place():
    with node() as one:
        path = os.path.join(one.data, "c.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("cores:\n  cout: 2\n")
        up = one.up("--config", path)
        assert up.returncode == 1
        want = f"{path}:2:3: unknown key 'cores.cout'; did you mean 'cores.count'?"
        assert want in last_line(up.stderr), up.stderr
        doctor = one.run("doctor", "--config", path, "-o", "json")
        assert doctor.returncode == 1
        assert [f["id"] for f in json.loads(doctor.stdout)["findings"]] == ["MR-CONFIG-001"]


def doctor_finds_a_taken_port_and_names_the_flag():
    with node() as one, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        doctor = one.run("doctor", "--data", one.data, "--listen", taken, "--http", one.http,
                         "-o", "json")
        found = {f["id"]: f for f in json.loads(doctor.stdout)["findings"]}
        assert doctor.returncode == 1 and found["MR-PORT-001"]["severity"] == "error"
        assert found["MR-PORT-001"]["fix"].startswith("--listen")
        assert found["MR-PORT-002"]["severity"] == "ok"
        assert found["MR-DISK-001"]["severity"] == "ok"


def doctor_finds_a_directory_that_cannot_be():
    with node() as one:
        doctor = one.run("doctor", "--data", "/proc/nothing", "-o", "json")
        found = {f["id"]: f for f in json.loads(doctor.stdout)["findings"]}
        assert doctor.returncode == 1 and found["MR-DISK-001"]["severity"] == "error"
        assert one.run("up", "--detach", "--data", "/proc/nothing").returncode == 1


FOREIGN = [
    ("somebody's files", "diary.txt", "dear diary", "diary.txt"),
    ("another format", "meta.properties", "version=9\ncluster.id=c\nnode.id=1\n", "version"),
    ("another node", "meta.properties", "version=1\ncluster.id=c\nnode.id=77\n", "node 77"),
]


def a_directory_of_somebody_else_is_refused_and_left_as_it_was():
    for name, file, text, word in FOREIGN:
        with node() as one:
            with open(os.path.join(one.data, file), "w", encoding="utf-8") as out:
                out.write(text)
            up = one.up()
            assert up.returncode == 1 and word in up.stderr, (name, up.stderr)
            assert os.listdir(one.data) == [file], (name, os.listdir(one.data))


def nothing_is_made_when_the_second_directory_belongs_to_another_cluster():
    with node() as one:
        first, second = (os.path.join(one.data, part) for part in ("first", "second"))
        for path, cluster in ((first, "ours"), (second, "theirs")):
            os.mkdir(path)
            with open(os.path.join(path, "meta.properties"), "w", encoding="utf-8") as out:
                out.write(f"version=1\ncluster.id={cluster}\nnode.id=1\n")
        up = one.run("up", "--detach", "--data", first, "--data", second, "--http", one.http,
                     "--listen", one.listen)
        assert up.returncode == 1 and "belongs to cluster theirs, not to ours" in up.stderr
        assert [os.listdir(path) for path in (first, second)] == [["meta.properties"]] * 2


TESTS = [
    a_directory_of_somebody_else_is_refused_and_left_as_it_was,
    nothing_is_made_when_the_second_directory_belongs_to_another_cluster,
    detach_returns_when_ready_and_down_stops_all,
    a_second_up_finds_the_first,
    a_second_up_that_asks_for_another_address_is_warned,
    status_tells_never_started_from_stopped,
    a_refusal_is_the_last_line_and_nothing_is_left,
    a_crash_loop_before_ready_gives_up_with_the_reason,
    a_killed_process_is_started_again_and_the_other_goes_on,
    neither_is_the_parent_of_the_other,
    a_process_that_refuses_to_come_back_does_not_stop_the_other,
    a_killed_supervisor_leaves_both_at_work_and_down_finds_them,
    up_takes_over_from_a_killed_supervisor,
    a_node_of_somebody_else_at_the_http_port_is_not_ours,
    ctrl_c_ends_a_node_in_the_foreground,
    a_wrong_configuration_is_refused_with_its_place,
    doctor_finds_a_taken_port_and_names_the_flag,
    doctor_finds_a_directory_that_cannot_be,
]


if __name__ == "__main__":
    sys.exit(tap.run(TESTS))
