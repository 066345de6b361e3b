"""What tests take from package registries: pinned in pins.json, fetched once, cached.

A registry that stays silent raises Unavailable with its reason; the caller turns that into a skip.
The cache lies outside the tree (MILLRACE_TEST_CACHE, else ~/.cache/millrace-tests) and is keyed by
the pins themselves, so a changed pin is a new entry.
"""

import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PINS = json.loads((HERE / "pins.json").read_text(encoding="utf-8"))
FETCH_SECONDS_MAX = 420


class Unavailable(Exception):
    """The registry, or the client program for it, is not there; the text says which and why."""


def cache_root():
    root = os.environ.get("MILLRACE_TEST_CACHE")
    path = pathlib.Path(root) if root else pathlib.Path.home() / ".cache" / "millrace-tests"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _need(program):
    found = shutil.which(program)
    if found is None:
        raise Unavailable(f"{program} is not installed")
    return found


def _run(command, cwd, env=None):
    try:
        done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=FETCH_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{command[0]} gave no answer in {FETCH_SECONDS_MAX} s") from error
    if done.returncode != 0:
        tail = done.stdout.decode(errors="replace").strip().splitlines()[-3:]
        raise Unavailable(f"{command[0]} failed: {' | '.join(tail)}")


def _cached(kind, name, salt, fill):
    """The folder of one entry; fill(folder) makes it, once, under a lock."""
    key = hashlib.sha256(json.dumps([PINS[kind][name], salt]).encode()).hexdigest()[:12]
    root = cache_root()
    folder = root / f"{kind}-{name}-{key}"
    with open(root / f"{kind}-{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            fill(folder)
            (folder / ".complete").touch()
    return folder


def _pom(coordinates):
    """group:artifact:version, and :classifier where it is not the artifact itself."""
    dependencies = "".join(
        "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>"
        "<classifier>{}</classifier></dependency>".format(*(coordinate + ":").split(":")[:4])
        for coordinate in coordinates)
    return ("<project><modelVersion>4.0.0</modelVersion><groupId>millrace</groupId>"
            "<artifactId>pins</artifactId><version>1</version><packaging>pom</packaging>"
            f"<dependencies>{dependencies}</dependencies></project>")


def maven_classpath(name="kafka"):
    """A classpath string of the pinned artifacts and all they need."""
    def fill(folder):
        (folder / "pom.xml").write_text(_pom(PINS["maven"][name]), encoding="utf-8")
        _run([_need("mvn"), "-q", "-B", "dependency:copy-dependencies",
              "-DoutputDirectory=" + str(folder / "jars")], folder)
    return str(_cached("maven", name, "", fill) / "jars") + "/*"


def java():
    return _need("java")


def python_with(name="clients"):
    """A Python interpreter that has the pinned packages."""
    def fill(folder):
        _run([sys.executable, "-m", "venv", str(folder / "venv")], folder)
        _run([str(folder / "venv/bin/pip"), "-q", "install", "--disable-pip-version-check",
              *PINS["pypi"][name]], folder)
    return str(_cached("pypi", name, sys.version, fill) / "venv/bin/python")


def node_modules(name="kafkajs"):
    """A folder whose node_modules holds the pinned packages."""
    def fill(folder):
        (folder / "package.json").write_text('{"private": true}', encoding="utf-8")
        _run([_need("npm"), "install", "--silent", "--no-audit", "--no-fund",
              *PINS["npm"][name]], folder)
    return _cached("npm", name, "", fill)


def _go_build(folder, modules, package, build=("build",)):
    environment = dict(os.environ, GOFLAGS="-mod=mod", GOTOOLCHAIN="local")
    go = _need("go")
    _run([go, "mod", "init", "millrace.test/interop"], folder, environment)
    _run([go, "get", *modules], folder, environment)
    if package == ".":
        _run([go, "mod", "tidy"], folder, environment)
    _run([go, *build, "-o", "program", package], folder, environment)


def go_tool(name):
    """Builds a pinned program of somebody else; returns the binary."""
    def fill(folder):
        module = PINS["go_tools"][name]
        _go_build(folder, [module], module.partition("@")[0])
    return str(_cached("go_tools", name, "", fill) / "program")


def go_suite(name):
    """Builds the tests that a pinned package brings with it; returns the binary."""
    def fill(folder):
        pin = PINS["go_suites"][name]
        _go_build(folder, [pin["module"]], pin["package"], ("test", "-c"))
    return str(_cached("go_suites", name, "", fill) / "program")


def go_program(source, name="franz"):
    """Builds one Go file, or a folder of them, against the pinned modules; returns the binary."""
    source = pathlib.Path(source)
    files = sorted(source.glob("*.go")) if source.is_dir() else [source]
    texts = {file.name: file.read_text(encoding="utf-8") for file in files}

    def fill(folder):
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
        _go_build(folder, PINS["go"][name], ".")
    return str(_cached("go", name, texts, fill) / "program")
