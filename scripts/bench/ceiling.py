"""The peer for reads: actix-web and rustls with nothing behind them (`benches/ceiling`)."""

import os

import load
import place


class Ceiling:
    """Answers every GET with one document."""

    def __init__(self, document):
        self.place = place.directory("ceiling")
        (self.place / "document.json").write_bytes(document)
        command = [os.environ["BENCH_CEILING"], self.place / "document.json", min(2, place.CORES)]
        self.child = place.Child(command, self.place / "log", announces=True)
        self.https, _ = self.child.first_line("ready ")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stop()
        place.remove(self.place)

    def get(self, requests):
        """The same requests as its peer gets."""
        return load.run(self.child, self.https, requests)
