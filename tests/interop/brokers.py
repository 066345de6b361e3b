"""Brokers under test: Millrace as its users start it, and Apache Kafka as the oracle.

Each runs in a folder of its own on free ports, and only what was started here is ever stopped.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import pins  # noqa: E402  pylint: disable=wrong-import-position
from ports import free_port  # noqa: E402  pylint: disable=wrong-import-position

START_SECONDS_MAX = 180  # A loaded machine is slow.


# Outlives a killed test, and then ends its broker: the pipe from the test closes with it. A test
# that ends by itself says so first.
WATCHDOG = """
import os, shutil, subprocess, sys
folder, command = sys.argv[1], sys.argv[2:]
if not os.read(0, 1):
    subprocess.run(command, timeout=60)
    shutil.rmtree(folder, ignore_errors=True)
"""


def watchdog(folder, command):
    """Runs the command and removes the folder, unless it gets a byte before this process ends."""
    # pylint: disable-next=consider-using-with
    return subprocess.Popen([sys.executable, "-c", WATCHDOG, str(folder), *command],
                            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, start_new_session=True)


class Millrace:
    """`millrace up --detach` on a fresh data directory."""

    name = "millrace"
    client_prefix = ()  # Of the command line of clients.

    def __init__(self, build, config="", data_count=1, arguments=()):
        self.tool = str(pathlib.Path(build) / "tools" / "millrace")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-test-"))
        self.data = [str(self.folder / f"data{i}") for i in range(data_count)]
        self.bootstrap = f"127.0.0.1:{free_port()}"
        self.http = f"127.0.0.1:{free_port()}"
        self.arguments = list(arguments)
        if config:
            (self.folder / "config.yaml").write_text(config, encoding="utf-8")
            self.arguments += ["--config", str(self.folder / "config.yaml")]
        self.dog = None

    def _data_arguments(self):
        return [word for path in self.data for word in ("--data", path)]

    def _end_command(self):
        return [self.tool, "down", *self._data_arguments()]

    def start(self):
        if self.dog is None:
            self.dog = watchdog(self.folder, self._end_command())
        done = subprocess.run(
            [self.tool, "up", *self._data_arguments(), "--listen", self.bootstrap,
             "--http", self.http, *self.arguments, "--detach"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=START_SECONDS_MAX, check=False)
        if done.returncode != 0:
            raise RuntimeError("up failed: " + done.stdout.decode(errors="replace")[-2000:])
        return self

    def status(self):
        done = subprocess.run([self.tool, "status", *self._data_arguments(), "-o", "json"],
                              stdout=subprocess.PIPE, timeout=START_SECONDS_MAX, check=False)
        return json.loads(done.stdout)

    def pid_of(self, process):
        """pid of 'dataplane' or 'control'."""
        for entry in self.status()["processes"]:
            if process in entry["name"]:
                return entry["pid"]
        raise RuntimeError(f"no process {process}: {self.status()}")

    def kill(self, process, number=signal.SIGKILL):
        """Waits for the process: after many deaths its parent takes its time to restart it."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                os.kill(self.pid_of(process), number)
                return
            except (RuntimeError, ProcessLookupError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def stop(self):
        return subprocess.run([self.tool, "down", *self._data_arguments()],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=60, check=False).returncode

    def remove(self):
        if self.dog is not None:
            self.dog.communicate(b".")
            self.dog = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def logs(self):
        """The ends of the log files, for a failing test's report."""
        text = ""
        for path in sorted(self.folder.rglob("*.log")):
            if path.parent.name == ".millrace" or path.parent == self.folder:
                lines = path.read_text(errors="replace").splitlines()[-40:]
                text += f"== {path.name}\n" + "\n".join(lines) + "\n"
        return text

    def __enter__(self):
        try:
            return self.start()
        except Exception:
            print("# " + self.logs().replace("\n", "\n# "), flush=True)
            raise

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print("# " + self.logs().replace("\n", "\n# "), flush=True)
        self.stop()
        self.remove()


class OverTap(Millrace):
    """The same with our own TCP on a DPDK port: a tap and a network of its own."""

    def __init__(self, build, config="", arguments=()):
        if os.geteuid() != 0 or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            raise pins.Unavailable("making a tap needs root and /dev/net/tun")
        number = os.getpid() & 0x3fff
        network = f"10.{128 + (number >> 8)}.{number & 255}"
        self.interface = f"mrtap{number}"
        super().__init__(build, config, arguments=[
            "--profile", "tap-lab", "--set",
            f"network.device=net_tap0,iface={self.interface},mac=fixed",
            "--set", f"network.host_address={network}.1",
            "--set", f"network.address6=fd00:77:{number:x}::2",
            "--set", f"network.host_address6=fd00:77:{number:x}::1", *arguments])
        self.bootstrap = f"{network}.2:9092"
        self.bootstrap6 = f"[fd00:77:{number:x}::2]:9092"


class OverVeth(Millrace):
    """Our own TCP on one end of a veth, by a packet socket or AF_XDP; clients run in a network
    namespace of their own with the other end."""

    def __init__(self, build, config="", driver="af-packet", mtu=1500, queues=1):
        if os.geteuid() != 0 or shutil.which("ip") is None:
            raise pins.Unavailable("a network namespace needs root and iproute2")
        number = os.getpid() & 0x3fff
        self.network = f"10.{64 + (number >> 8)}.{number & 255}"
        self.namespace = f"mrns{number}"
        self.ends = (f"mrva{number}", f"mrvb{number}")
        self.mtu = mtu
        vdev = f"net_{driver.replace('-', '_')}0,iface={self.ends[0]}"
        if driver == "af-xdp":
            vdev += ",busy_budget=0"
        elif mtu > 1500:
            vdev += ",framesz=9216,blocksz=36864"
        if queues > 1:
            vdev += f",qpairs={queues}"
        super().__init__(build, config, arguments=[
            "--profile", driver, "--set", f"network.device={vdev}", "--set", f"network.mtu={mtu}",
            "--insecure"])
        self.bootstrap = f"{self.network}.2:9092"
        self.client_prefix = ("ip", "netns", "exec", self.namespace)

    def _end_command(self):
        down = " ".join([self.tool, "down", *self._data_arguments()])
        return ["sh", "-c", f"{down}; ip netns del {self.namespace}"]

    def start(self):
        ours, theirs = self.ends
        inside = ["ip", "-n", self.namespace]
        for command in (
                ["ip", "netns", "add", self.namespace],
                ["ip", "link", "add", ours, "mtu", str(self.mtu), "type", "veth", "peer", "name",
                 theirs, "mtu", str(self.mtu)],
                ["ip", "link", "set", theirs, "netns", self.namespace],
                ["ip", "link", "set", ours, "up"],
                # Merged segments would be longer than what the port takes.
                [*inside, "link", "set", theirs, "gso_max_segs", "1"],
                [*inside, "addr", "add", f"{self.network}.1/24", "dev", theirs],
                [*inside, "link", "set", theirs, "up"]):
            subprocess.run(command, check=True, timeout=20, stdout=subprocess.DEVNULL)
        return super().start()

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.namespace], check=False, timeout=20)
        super().remove()  # The veth went with the namespace.


class OverMemif(Millrace):
    """The same over shared memory with another process: `bench` at the other end."""

    def __init__(self, build, cores=1, arguments=()):
        name = f"millrace-memif-{os.getpid()}"
        super().__init__(build, arguments=[
            "--profile", "memif-lab", "--set",
            f"network.device=net_memif0,role=server,id=0,socket={name},rsize=12", "--set",
            f"cores.count={cores}", *arguments])
        self.bootstrap = "10.78.0.2:9092"
        self.device = f"net_memif0,role=client,id=0,socket={name},rsize=12"


class Kafka:
    """Apache Kafka in KRaft mode, broker and controller in one, from its own jars."""

    name = "kafka"

    def __init__(self, properties="", heap="512m", features=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kafka-test-"))
        self.features = [word for feature in features for word in ("--feature", feature)]
        self.bootstrap = f"127.0.0.1:{free_port()}"
        self.controller = f"127.0.0.1:{free_port()}"
        self.classpath = pins.maven_classpath("kafka")
        self.heap = heap
        self.properties = properties
        self.process = None
        self.dog = None
        self.start_seconds_max = START_SECONDS_MAX
        self.stop_seconds_max = 20

    def _format(self, java):
        template = (HERE.parent / "bench" / "kafka-server.properties").read_text(encoding="utf-8")
        text = template.format(listener=self.bootstrap, controller=self.controller,
                               log_dir=self.folder / "data") + self.properties
        config = self.folder / "server.properties"
        config.write_text(text, encoding="utf-8")
        subprocess.run([*java, "kafka.tools.StorageTool", "format", "--standalone", "-t",
                        "MkU3OEVBNTcwNTJENDM2Qg", *self.features, "-c", str(config)], check=True,
                       timeout=self.start_seconds_max, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        return config

    def start(self):
        """A Kafka that does not come up is gone again when this raises."""
        pid = self.folder / "pid"
        java = [pins.java(), f"-Xms{self.heap}", f"-Xmx{self.heap}", "-XX:+UseG1GC",
                "-cp", self.classpath]
        try:
            config = self._format(java)
            self.dog = watchdog(self.folder, ["sh", "-c", f"kill -9 $(cat {pid})"])
            with open(self.folder / "server.log", "wb") as log:
                self.process = subprocess.Popen(
                    ["sh", "-c", 'echo $$ >"$0"; exec "$@"', str(pid), *java, "kafka.Kafka",
                     str(config)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            deadline = time.monotonic() + self.start_seconds_max
            while b"Kafka Server started" not in (self.folder / "server.log").read_bytes():
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("Kafka did not start: " + self.logs())
                time.sleep(0.2)
        except BaseException:
            self.stop()
            self.remove()
            raise
        return self

    def logs(self):
        return (self.folder / "server.log").read_text(errors="replace")[-3000:]

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(self.stop_seconds_max)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            (self.folder / "pid").unlink(missing_ok=True)  # Its number may be another's now.

    def remove(self):
        if self.dog is not None:
            self.dog.communicate(b".")
            self.dog = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        self.stop()
        self.remove()
