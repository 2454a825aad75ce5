"""Prometheus with Alertmanager as a peer: one alerting rule an agreement, at the tightest settings that are of use (1 s)."""

import contextlib
import dataclasses
import http.server
import json
import statistics
import threading
import time
import urllib.request

import place

# Breaches that are timed.
BREACHES = 20
# How long one may take.
LIMIT = 20.0
GOOD, BAD, LEAST = "10", "5000", 1000


@dataclasses.dataclass(frozen=True)
class Notices:
    """Milliseconds from a changed sample to the notice."""

    p50: float
    worst: float

    def __str__(self):
        return f"p50 {self.p50:,.0f} ms, worst {self.worst:,.0f} ms"


class Prometheus:
    """Scrapes this process, and tells Alertmanager, which tells this process."""

    def __init__(self, rules=1000):
        self.values = [GOOD] * rules
        self.told, self.news = {}, threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.data = place.directory("prometheus")
        here = f"127.0.0.1:{self.server.server_port}"
        alerts, own = (f"127.0.0.1:{place.free_port()}" for _ in range(2))
        self.metrics = f"http://{own}/metrics"
        self._write(here, alerts)
        environment = {"PATH": "/usr/bin:/bin"}
        self.alertmanager = place.Child(
            ["prometheus-alertmanager", f"--config.file={self.data}/alertmanager.yml",
             f"--storage.path={self.data}/alerts", f"--web.listen-address={alerts}", "--cluster.listen-address="],
            self.data / "alertmanager.log", environment=environment)
        self.child = place.Child(
            ["prometheus", f"--config.file={self.data}/prometheus.yml", f"--storage.tsdb.path={self.data}/series",
             f"--web.listen-address={own}"], self.data / "prometheus.log", environment=environment)
        self.child.wait_until(self._is_ready, "an answer")
        # Until every rule was evaluated some times.
        time.sleep(8)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stop()
        self.alertmanager.stop()
        self.server.shutdown()
        self.server.server_close()
        place.remove(self.data)

    def notices(self):
        """How long a breach takes to be told, at moments spread over the second."""
        taken = []
        for turn in range(BREACHES):
            time.sleep(0.13 * (turn % 7))
            which = turn * 37 % len(self.values)
            began = time.monotonic()
            self.values[which] = BAD
            while f"a{which}" not in self.told:
                if time.monotonic() - began > LIMIT:
                    raise place.Failure("Prometheus has told nothing of a breach; its log:\n" + self.child.log_end())
                self.news.wait(0.01)
                self.news.clear()
            taken.append((self.told[f"a{which}"] - began) * 1000)
        return Notices(statistics.median(taken), max(taken))

    def steady(self, seconds=10):
        """What evaluating the rules costs while nothing happens."""
        before = self.child.cpu_seconds()
        time.sleep(seconds)
        spent = (self.child.cpu_seconds() - before) / seconds
        each = self._metric("prometheus_rule_group_last_duration_seconds{") / len(self.values)
        return f"{spent:.0%} of a core, {each * 1e6:.0f} µs a rule, {self.child.memory_mib():.0f} MiB"

    def _write(self, here, alerts):
        rules = [
            f"      - {{alert: SLA, expr: 'execution_time{{agreement=\"a{number}\"}} >= {LEAST}'}}"
            for number in range(len(self.values))
        ]
        files = {
            "rules.yml": ["groups:", "  - name: agreements", "    interval: 1s", "    rules:", *rules],
            "prometheus.yml": [
                "global: {scrape_interval: 1s, evaluation_interval: 1s}", "rule_files: [rules.yml]",
                f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{alerts}']}}]}}]}}",
                f"scrape_configs: [{{job_name: reports, static_configs: [{{targets: ['{here}']}}]}}]"],
            "alertmanager.yml": [
                "route: {receiver: here, group_by: [agreement], group_wait: 0s, group_interval: 1s}",
                f"receivers: [{{name: here, webhook_configs: [{{url: 'http://{here}/notice', send_resolved: false}}]}}]"],
        }
        for name, lines in files.items():
            (self.data / name).write_text("\n".join(lines) + "\n")

    def _is_ready(self):
        with contextlib.suppress(OSError), urllib.request.urlopen(self.metrics, timeout=2):
            return True
        return False

    def _metric(self, start):
        with urllib.request.urlopen(self.metrics, timeout=place.PATIENCE) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(start):
                    return float(line.rsplit(" ", 1)[1])
        raise place.Failure(f"Prometheus shows no {start}")

    def _handler(self):
        peer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                lines = [f'execution_time{{agreement="a{number}"}} {value}' for number, value in enumerate(peer.values)]
                self._answer("# TYPE execution_time gauge\n" + "\n".join(lines) + "\n")

            def do_POST(self):
                notice = json.loads(self.rfile.read(int(self.headers["content-length"])))
                for alert in notice["alerts"]:
                    if alert["status"] == "firing":
                        peer.told.setdefault(alert["labels"]["agreement"], time.monotonic())
                self._answer("")
                peer.news.set()

            def _answer(self, text):
                self.send_response(200)
                self.send_header("content-type", "text/plain")
                self.send_header("content-length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

        return Handler
