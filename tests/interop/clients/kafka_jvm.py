"""Kafka's own programs, many in one JVM: starting one takes longer than most of what they do."""

import base64
import os
import pathlib
import subprocess
import threading

JAVA = pathlib.Path(__file__).resolve().parent / "java"
OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
           "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
SECONDS_MAX = 240  # For one tool; a loaded machine is slow.
CLASSES = {
    "topics": "org.apache.kafka.tools.TopicCommand",
    "configs": "kafka.admin.ConfigCommand",
    "get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "producer-perf": "org.apache.kafka.tools.ProducerPerformance",
    "verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
    "broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "groups": "org.apache.kafka.tools.GroupsCommand",
    "features": "org.apache.kafka.tools.FeatureCommand",
    "cluster": "org.apache.kafka.tools.ClusterTool",
    "leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "reassign": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
}
OF_THEIR_OWN = ("verifiable-producer",)  # They end the JVM.
# By itself it gives each request five seconds.
PATIENCE = {"consumer-groups": ("--timeout", "120000")}


def command(memory="256m"):
    return ["java", f"-Xmx{memory}", *OPTIONS, "-cp", os.environ["MILLRACE_TEST_CLASSPATH"]]


def _words(words):
    return b" ".join(b"." + base64.b64encode(word.encode()) for word in words) + b"\n"


class Tools:
    """Runs them against one broker. Its JVM ends with this process, as its input closes."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen([*command(), str(JAVA / "Tools.java")],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _ask(self, words):
        timer = threading.Timer(SECONDS_MAX, self.process.kill)
        timer.start()
        self.process.stdin.write(_words(words))
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        timer.cancel()
        if len(answer) != 3:
            raise AssertionError(f"the JVM ended, or was silent for {SECONDS_MAX} s: {words}")
        out, err = (base64.b64decode(word[1:]).decode(errors="replace") for word in answer[1:])
        return int(answer[0]), out, err

    def _run_alone(self, words, data):
        done = subprocess.run([*command(), *words], input=data, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=SECONDS_MAX, check=False)
        return done.returncode, done.stdout.decode(errors="replace"), \
            done.stderr.decode(errors="replace")

    def run(self, name, *arguments, data=b"", ok=True, server=True):
        """What it wrote; with ok=False it may fail, and standard error is told too."""
        words = [CLASSES[name]] + (["--bootstrap-server", self.bootstrap] if server else [])
        words += PATIENCE.get(name, ())
        if name in OF_THEIR_OWN:
            status, out, err = self._run_alone([*words, *arguments], data)
        else:
            status, out, err = self._ask([words[0], data.decode(), *words[1:], *arguments])
        if ok and status != 0:
            raise AssertionError(f"{name} {arguments}: {out[-900:]} {err[-900:]}")
        return out + ("" if ok else err)
