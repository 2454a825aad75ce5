"""The peer for durable writes: etcd 3.4, one member, through its JSON gateway. Every PUT is synced, in batches."""

import base64
import http.client
import json

import documents
import load
import place

KEYS = 4000


def _base64(text):
    return base64.b64encode(text.encode()).decode()


class Etcd:
    """One member with a new directory."""

    def __init__(self):
        self.place = place.directory("etcd")
        client, peer = place.free_port(), place.free_port()
        self.port, self.origin = client, f"http://127.0.0.1:{client}"
        among = f"http://127.0.0.1:{peer}"
        command = ["etcd", "--name", "one", "--data-dir", self.place / "data", "--log-level", "error",
                   "--listen-client-urls", self.origin, "--advertise-client-urls", self.origin,
                   "--listen-peer-urls", among, "--initial-advertise-peer-urls", among,
                   "--initial-cluster", f"one={among}"]
        self.child = place.Child(command, self.place / "log")
        self.child.wait_until(self._is_healthy, "its health")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stop()
        place.remove(self.place)

    def _is_healthy(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=place.PATIENCE)
        try:
            connection.request("GET", "/health")
            return json.loads(connection.getresponse().read()).get("health") == "true"
        except (OSError, ValueError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def put(self, connections):
        """Writes devices under keys of their own."""
        bodies = [json.dumps({"key": _base64(f"/device/{number:08d}"), "value": _base64(text)})
                  for number, text in enumerate(documents.lines(documents.device, range(KEYS)))]
        requests = load.Requests(self.place, "put", "POST", "/v3/kv/put", bodies)
        return load.run(self.child, self.origin, requests, connections=connections)

    def get(self):
        """Reads the keys that `put` has written."""
        bodies = [json.dumps({"key": _base64(f"/device/{number:08d}")}) for number in documents.shuffled(range(KEYS))]
        requests = load.Requests(self.place, "range", "POST", "/v3/kv/range", bodies)
        return load.run(self.child, self.origin, requests)
