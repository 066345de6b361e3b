#!/usr/bin/env python3
"""Runs one client's scenarios against Millrace, or with --oracle against Apache Kafka.

The oracle run proves the scenarios themselves: what Kafka fails is no test of Millrace.
"""

import argparse
import os
import pathlib
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(1, str(HERE.parent))
import brokers  # noqa: E402  pylint: disable=wrong-import-position
import pins  # noqa: E402  pylint: disable=wrong-import-position
import tap  # noqa: E402  pylint: disable=wrong-import-position

CLIENTS = HERE / "clients"
CLIENT_SECONDS_MAX = 540
LAST_WORDS_SECONDS = 5


# How clients reach it.
PATHS = {
    "sockets": brokers.Millrace,
    "tap": brokers.OverTap,
    "af-packet": brokers.OverVeth,
    "af-xdp": lambda build, config: brokers.OverVeth(build, config, "af-xdp"),
}


# Which of Kafka's jars a client takes beside librdkafka.
WITH_JARS = {"consumer_protocol": "kafka", "migration": "kafka", "subscribers": "kafka",
             "streams": "streams", "connect": "connect", "log_compaction": "kafka"}


def command_of(client):
    """The command line of a client's scenarios; raises pins.Unavailable."""
    if client in ("kcat", "millrace_tool"):
        return [sys.executable, str(CLIENTS / f"{client}.py")]
    if client in ("confluent", "kafka_python", "aiokafka_client"):
        return [pins.python_with("clients"), str(CLIENTS / f"{client}.py")]
    if client in ("exporter", "burrow"):  # Programs that watch what clients do.
        os.environ["MILLRACE_TEST_PROGRAM"] = pins.go_tool(client)
        return [pins.python_with("clients"), str(CLIENTS / f"{client}.py")]
    if client == "franz_suite":
        return [sys.executable, str(CLIENTS / "franz_suite.py"), pins.go_suite(client)]
    if client in WITH_JARS:  # Beside a client of librdkafka's.
        os.environ["MILLRACE_TEST_CLASSPATH"] = pins.maven_classpath(WITH_JARS[client])
        return [pins.python_with("clients"), str(CLIENTS / f"{client}.py")]
    if client == "transactions":  # Kafka's own producer and kafka-transactions.
        return ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp",
                pins.maven_classpath("kafka"), str(CLIENTS / "Transactions.java")]
    if client == "streams_smoke":
        return ["java", "-Xmx700m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp",
                pins.maven_classpath(client), str(CLIENTS / "StreamsSmoke.java")]
    if client == "kafkajs":
        os.environ["NODE_PATH"] = str(pins.node_modules("kafkajs") / "node_modules")
        return ["node", str(CLIENTS / "kafkajs.js")]
    if client in ("franz", "sarama", "kafka_go"):
        return [pins.go_program(CLIENTS / f"{client}.go", client)]
    os.environ["MILLRACE_TEST_CLASSPATH"] = pins.maven_classpath("kafka")
    return [sys.executable, str(CLIENTS / f"{client}.py")]


def last_words(client, command):
    """Has each of its threads say where it is."""
    java = pathlib.Path(command[0]).name == "java"
    client.send_signal(signal.SIGQUIT if java else signal.SIGABRT)
    try:
        client.wait(LAST_WORDS_SECONDS)
    except subprocess.TimeoutExpired:
        pass


def start_client(command, prefix=(), **streams):
    """In a session of its own, for end_client."""
    return subprocess.Popen([*prefix, *command], stdin=subprocess.DEVNULL, start_new_session=True,
                            env={**os.environ, "PYTHONFAULTHANDLER": "1", "GOTRACEBACK": "all"},
                            **streams)


def end_client(client):
    """With what it has started, which would hold this test's output open."""
    try:
        os.killpg(client.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run_client(command, prefix):
    """Its status."""
    with start_client(command, prefix) as client:
        try:
            return client.wait(CLIENT_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            print(f"not ok - the client did not end in {CLIENT_SECONDS_MAX} s", flush=True)
            last_words(client, command)
            return 1
        finally:
            end_client(client)


def main():
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    parser = argparse.ArgumentParser()
    parser.add_argument("client")
    parser.add_argument("--build", default="build")
    parser.add_argument("--oracle", action="store_true")
    parser.add_argument("--over", choices=list(PATHS), default="sockets")
    parser.add_argument("--config", default="", help="configuration text for millrace")
    options = parser.parse_args()
    os.environ["MILLRACE_TEST_TOOL"] = str(pathlib.Path(options.build) / "tools" / "millrace")
    try:
        command = command_of(options.client)
        broker = brokers.Kafka() if options.oracle else \
            PATHS[options.over](options.build, options.config)
    except pins.Unavailable as reason:
        tap.skip_all(str(reason))
    with broker:
        data = "" if options.oracle else broker.data[0]
        prefix = () if options.oracle else broker.client_prefix
        status = run_client([*command, broker.bootstrap, data], prefix)
        if status != 0 and not options.oracle:
            print("# " + broker.logs().replace("\n", "\n# "), flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
