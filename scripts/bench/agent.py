"""mf2c under test: one agent in development mode on free ports."""

import http.client
import json
import os
import pathlib
import shutil
import signal

import documents
import place

ADMIN = "slipstream-authn-info: internal ADMIN"
JANE = "slipstream-authn-info: jane USER"
# What one bulk request may hold.
BULK_LINES = 10_000


def binary():
    """The program under test."""
    path = os.environ.get("MF2C_BINARY")
    if not path:
        raise place.Failure("MF2C_BINARY names no program; scripts/bench.sh builds one and sets it")
    return pathlib.Path(path)


class Agent:
    """Starts with a directory of its own, or with one that an agent has left."""

    def __init__(self, data=None, *, describes_itself=False, environment=None):
        self.own = data is None
        self.data = data or place.directory("agent")
        environment = {"PATH": os.environ["PATH"], "MF2C_DEVICE_ENABLED": str(describes_itself).lower(),
                       **(environment or {})}
        self.log = self.data.parent / f"{self.data.name}.log"
        self.log.unlink(missing_ok=True)
        command = [binary(), "agent", "--dev", "--data-dir", self.data, "--log-format", "json",
                   "--api", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        self.child = place.Child(command, self.log, announces=True, environment=environment)
        api, self.ready_after = self.child.first_line("ready ")
        self.https = api.removesuffix("/api")
        self.http = f"http://{self._http_address()}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _http_address(self):
        for line in self.log.read_text().splitlines():
            entry = json.loads(line)
            fields = entry.get("fields", entry)
            if fields.get("message") == "serving":
                return fields["http"]
        raise place.Failure(f"the log does not say where plain HTTP listens:\n{self.child.log_end()}")

    def stop(self, sent=signal.SIGTERM):
        """Ends the agent; its directory goes too, unless it was given."""
        self.child.stop(sent)
        self.log.unlink(missing_ok=True)
        if self.own:
            place.remove(self.data)

    def request(self, method, path, body=None, headers=()):
        """One request over plain HTTP; the body of the answer."""
        connection = http.client.HTTPConnection(self.http.removeprefix("http://"), timeout=place.PATIENCE)
        try:
            connection.request(method, path, body, dict(header.split(": ", 1) for header in headers))
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise place.Failure(f"{method} {path} was answered with {answer.status}: {text[:300]!r}")
        return text

    def add(self, kind, make, count, who=ADMIN):
        """Stores documents by bulk requests; their ids."""
        ids = []
        for first in range(0, count, BULK_LINES):
            lines = documents.lines(make, range(first, min(first + BULK_LINES, count)))
            headers = ("content-type: application/x-ndjson", who)
            answer = self.request("POST", f"/api/{kind}", "\n".join(lines).encode(), headers)
            created = [json.loads(line) for line in answer.splitlines()]
            refused = [each for each in created if each["status"] != 201]
            if refused:
                raise place.Failure(f"a document was refused: {refused[0]}")
            ids += [each["resource-id"] for each in created]
        return ids


def stripped_size():
    """The size of the program without symbols, in bytes."""
    directory = place.directory("strip")
    copy = directory / "mf2c"
    shutil.copy(binary(), copy)
    if shutil.which("strip"):
        os.spawnvp(os.P_WAIT, "strip", ["strip", str(copy)])
    size = copy.stat().st_size
    place.remove(directory)
    return size
