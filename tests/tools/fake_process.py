#!/usr/bin/env python3
"""Stands in for millrace-dataplane or millrace-control, whichever name it is installed under.

It behaves as the file `mode-dataplane` or `mode-control` beside it says:
refuse (status 78), crash (status 1 at once), anything else runs. As control it answers /readyz.
"""

import http.server
import os
import signal
import sys
import time


def value(flag):
    return sys.argv[sys.argv.index(flag) + 1]


def mode(name):
    try:
        path = os.path.join(os.path.dirname(__file__), f"mode-{name}")
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def dataplane_mark():
    """What the dataplane leaves when it got through its start."""
    return os.path.join(value("--run"), "dataplane-started")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ready = self.path == "/readyz" and os.path.exists(dataplane_mark())
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(f'{{"ready": {str(ready).lower()}, "pid": {os.getpid()}}}'.encode())

    def log_message(self, format, *args):
        pass


def main():
    name = os.path.basename(sys.argv[0]).split("-")[1]
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    print("level=info started", " ".join(sys.argv[1:]), file=sys.stderr, flush=True)
    if mode(name) == "refuse":
        print(f"millrace-{name}: refuses: foreign format version 9", file=sys.stderr)
        return 78
    if mode(name) == "crash":
        print(f"level=error {name} cannot go on", file=sys.stderr)
        return 1
    if name == "control":
        host, port = value("--http").rsplit(":", 1)
        http.server.HTTPServer.allow_reuse_address = True
        http.server.HTTPServer((host, int(port)), Handler).serve_forever()
    with open(dataplane_mark(), "w", encoding="utf-8"):
        pass
    while True:
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
