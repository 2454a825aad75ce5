"""The peer for REST and filters: PocketBase 0.40, one program with SQLite.

Its rules are open, so it pays for no access check.
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import subprocess
import urllib.parse

import documents
import load
import place

ACCOUNT = {"identity": "bench@example.com", "password": "only-for-this-run"}


class PocketBase:
    """Holds devices as records with an index on the filtered columns."""

    def __init__(self):
        self.place = place.directory("pocketbase")
        program = pathlib.Path(os.environ["BENCH_POCKETBASE"])
        self.port = place.free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        where = ["--dir", self.place / "data", "--migrationsDir", self.place / "migrations"]
        account = [program, "superuser", "upsert", *ACCOUNT.values(), *where]
        subprocess.run(account, check=True, timeout=place.PATIENCE, capture_output=True)
        serve = [program, "serve", f"--http=127.0.0.1:{self.port}", "--automigrate=false", *where]
        self.child = place.Child(serve, self.place / "log")
        self.child.wait_until(self._is_healthy, "its health")
        answer = self._request("POST", "/api/collections/_superusers/auth-with-password", ACCOUNT)
        self.token = answer["token"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stop()
        place.remove(self.place)

    def _is_healthy(self):
        try:
            self._request("GET", "/api/health")
        except (OSError, place.Failure):
            return False
        return True

    def _request(self, method, path, body=None, connection=None, token=None):
        own = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=place.PATIENCE)
        headers = {"content-type": "application/json", **({"authorization": token} if token else {})}
        own.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = own.getresponse()
        text = answer.read()
        if connection is None:
            own.close()
        if answer.status >= 300:
            raise place.Failure(f"PocketBase answered {method} {path} with {answer.status}: {text[:300]!r}")
        return json.loads(text)

    def add_devices(self, count):
        """Makes the collection and fills it; the paths of the records."""
        kinds = {bool: "bool", int: "number", float: "number", str: "text"}
        fields = [{"name": name, "type": kinds[type(value)]} for name, value in documents.device(0).items()]
        rules = {"listRule": "", "viewRule": "", "createRule": ""}
        indexes = ["CREATE INDEX filtered ON device (arch, physicalCores)"]
        collection = {"name": "device", "type": "base", "fields": fields, "indexes": indexes, **rules}
        self._request("POST", "/api/collections", collection, token=self.token)
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            parts = list(threads.map(lambda part: self._fill(range(part, count, 4)), range(4)))
        return [path for part in parts for path in part]

    def _fill(self, numbers):
        path = "/api/collections/device/records"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=place.PATIENCE)
        made = [self._request("POST", path, documents.device(number), connection)["id"] for number in numbers]
        connection.close()
        return [f"{path}/{each}" for each in made]

    def get(self, paths):
        """Reads by id."""
        requests = load.Requests(self.place, "get", "GET", "", documents.shuffled(paths)[:5000])
        return load.run(self.child, self.origin, requests)

    def query(self):
        """Two attributes, order, a page of 20, without the count, which would cost it more."""
        filtered = urllib.parse.quote('(arch="x86_64" && physicalCores>=8)', safe="")
        path = f"/api/collections/device/records?filter={filtered}&sort=-memory&perPage=20&skipTotal=1"
        requests = load.Requests(self.place, "query", "GET", "", [path])
        return load.run(self.child, self.origin, requests)
