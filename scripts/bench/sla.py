"""Agreements: how soon a report is held against them, how many reports a second, what many agreements cost
(`benches/reports` sends the reports)."""

import itertools
import json
import os
import pathlib
import signal
import statistics
import subprocess
import time

import agent
import load
import place
import table
from prometheus import Prometheus

AGREEMENTS = 10_000
MANY = 100_000
# Half of the single reports a second that are the goal.
HALF = 7_500
BATCH = 2_000
# One report in so many breaks its agreement.
BAD = 100
KIND = "service-operation-report"


def assess():
    """Single reports, batches, and how soon a violation is told; beside Prometheus with Alertmanager."""
    single, batches, soon = [], [], []
    for _ in range(place.REPEATS):
        with Loaded(AGREEMENTS) as ours:
            single.append(ours.singles(connections=64))
        with Loaded(AGREEMENTS) as ours:
            batches.append(ours.batches())
        with Loaded(AGREEMENTS) as ours:
            soon.append(ours.offer(HALF))
    rate = statistics.median(run["rate"] for run in single)
    yield table.Row(f"reports stored and assessed, single, HTTP, 64 connections, {AGREEMENTS:,} agreements",
                    _rate(single), goal="15,000/s", met=rate >= 15_000)
    rate = statistics.median(run["rate"] for run in batches)
    yield table.Row(f"the same in NDJSON batches of {BATCH:,}, two at a time", _rate(batches), goal="100,000/s",
                    met=rate >= 100_000)
    told = {key: statistics.median(float(run[key]) for run in soon) for key in soon[0]}
    faults = sum(int(run[key]) for run in soon for key in ("lost", "doubled", "invented"))
    bad = sum(int(run["bad"]) for run in soon)
    with Prometheus() as peer:
        notices = peer.notices()
        place.say(f"Prometheus: {notices}")
    yield table.Row(f"violation told after its report was stored, {told['rate']:,.0f} reports/s, 1 in {BAD} bad",
                    _percentiles(told, "violation_after_stored"),
                    f"Prometheus with Alertmanager at 1 s, from sample to notice: {notices}",
                    f"{notices.p50 / told['violation_after_stored_p50']:,.0f} ×", "p50 1 ms above the sync, p99 10 ms",
                    told["violation_after_stored_p50"] <= 1 and told["violation_after_stored_p99"] <= 10)
    yield table.Row("the same from the moment at which the report was to be sent",
                    _percentiles(told, "violation_after_meant"))
    yield table.Row(f"violations of {bad:,} bad reports", f"{faults} lost, doubled or invented", goal="0",
                    met=faults == 0)


def agreements():
    """100,000 agreements: idle, memory, start."""
    data = place.directory("agreements")
    with Loaded(MANY, data / "data", instances=False) as ours:
        time.sleep(3)
        before, seconds = ours.child.cpu_seconds(), max(20.0, place.SECONDS)
        time.sleep(seconds)
        idle = (ours.child.cpu_seconds() - before) / seconds
        memory = [ours.child.memory_mib()]
    taken = []
    for sent in itertools.islice(itertools.cycle((signal.SIGTERM, signal.SIGKILL)), 2 * place.REPEATS):
        began = time.monotonic()
        ours = agent.Agent(data / "data")
        caught_up(ours)
        taken.append(time.monotonic() - began)
        memory.append(ours.child.memory_mib())
        known = metric(ours, "mf2c_sla_agreements")
        ours.stop(sent)
        if known != MANY:
            raise place.Failure(f"{known:,.0f} of {MANY:,} agreements were known after a start")
    place.remove(data)
    what = f"{MANY:,} agreements"
    with Prometheus(rules=AGREEMENTS) as peer:
        peers = peer.steady()
    yield table.Row(f"{what}, started: idle, over {seconds:.0f} s", f"{idle:.2%} of a core",
                    f"Prometheus, {AGREEMENTS:,} rules each second: {peers}", goal="under 0.1 %", met=idle < 0.001)
    yield table.Row(f"{what}: resident memory", f"{max(memory):.0f} MiB at most", goal="300 MB",
                    met=max(memory) * 2**20 <= 300e6)
    start = statistics.median(taken)
    yield table.Row(f"{what}: from the start of the process until all are read, {len(taken)} times",
                    f"{start:.2f} s, worst {max(taken):.2f} s", goal="3 s", met=start <= 3)


class Loaded(agent.Agent):
    """An agent with started agreements, and an instance for each."""

    def __init__(self, count, data=None, *, instances=True):
        super().__init__(data)
        ids = self.add("agreement", _agreement, count)
        self.file = self.data.parent / f"{self.data.name}.instances"
        self.instances = []
        if instances:
            self.instances = self.add("service-instance", lambda number: _instance(ids[number]), count)
            self.file.write_text("\n".join(self.instances) + "\n")
        caught_up(self)

    def stop(self, sent=signal.SIGTERM):
        super().stop(sent)
        self.file.unlink(missing_ok=True)

    def singles(self, connections):
        """One report a request, as fast as they are answered, until the last is assessed."""
        lines = [json.dumps({"serviceInstance": {"href": self.instances[number * 7919 % len(self.instances)]},
                             "operation": "op", "execution_time": 5}, separators=(",", ":")) for number in range(4000)]
        requests = load.Requests(self.data.parent, f"{self.data.name}-reports", "POST", f"/api/{KIND}", lines,
                                 [agent.ADMIN, "content-type: application/json"])
        with self._assessed() as run:
            load.run(self.child, self.http, requests, connections=connections)
        requests.file.unlink()
        return run.figures()

    def batches(self):
        """Batches, until the last report is assessed."""
        with self._assessed() as run:
            self._send("bulk", str(BATCH), str(place.SECONDS))
        return run.figures()

    def offer(self, rate):
        """Reports at a steady rate; what their sender has seen."""
        seen = self._send("offer", str(rate), str(place.SECONDS), str(BAD))
        place.say(str(seen))
        return seen

    def _assessed(self):
        return Run(self)

    def _send(self, what, *arguments):
        program = os.environ.get("BENCH_REPORTS")
        if not program:
            raise place.Failure("BENCH_REPORTS names no program; scripts/bench.sh builds one and sets it")
        command = [pathlib.Path(program), what, self.http.removeprefix("http://"), self.file, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=place.SECONDS + 2 * place.PATIENCE)
        if done.returncode:
            raise place.Failure(f"{what} did not work: {done.stderr}")
        return dict(line.split(" ", 1) for line in done.stdout.splitlines())


class Run:
    """Counts the reports that are assessed while it is open, and after it until all are."""

    def __init__(self, ours):
        self.ours = ours

    def __enter__(self):
        self.before = self._now()
        return self

    def __exit__(self, failed, *_):
        if failed:
            return
        sent = time.monotonic()
        caught_up(self.ours)
        self.behind = time.monotonic() - sent
        self.after = self._now()

    def _now(self):
        return time.monotonic(), metric(self.ours, "mf2c_sla_reports_total"), self.ours.child.cpu_seconds()

    def figures(self):
        seconds, reports, spent = (after - before for after, before in zip(self.after, self.before))
        found = {"rate": reports / seconds, "behind": self.behind, "cpu": spent / reports * 1e6}
        place.say(str(found))
        return found


def metric(ours, name):
    """The value of a metric without labels."""
    for line in ours.request("GET", "/metrics", headers=[agent.ADMIN]).decode().splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[1])
    raise place.Failure(f"/metrics has no {name}")


def caught_up(ours):
    """Waits until all that is stored now is assessed."""
    stored, end = metric(ours, "mf2c_store_position"), time.monotonic() + place.PATIENCE
    while metric(ours, "mf2c_sla_position") < stored:
        if time.monotonic() > end:
            raise place.Failure("what is stored was not assessed in time")
        time.sleep(0.01)


def _agreement(number):
    name = f"a{number:06d}"
    return {
        "name": name, "state": "started",
        "details": {
            "id": name, "type": "agreement", "name": name,
            "provider": {"id": "mf2c", "name": "mF2C Platform"}, "client": {"id": "c02", "name": "A client"},
            "creation": "2018-01-16T17:09:45.01Z", "expiration": "2099-01-17T17:09:45.01Z",
            "guarantees": [{"name": "*", "constraint": "execution_time < 10"}],
        },
    }


def _instance(agreement):
    return {"user": "testuser1", "status": "started", "service": "service/1", "agreement": agreement, "agents": []}


def _rate(runs):
    rates = sorted(run["rate"] for run in runs)
    return (f"{statistics.median(rates):,.0f}/s ({rates[0]:,.0f} to {rates[-1]:,.0f}), the last assessed "
            f"{max(run['behind'] for run in runs) * 1000:.0f} ms later at most, "
            f"{statistics.median(run['cpu'] for run in runs):.0f} µs CPU")


def _percentiles(told, name):
    return ", ".join(f"{label} {told[f'{name}_{label}']:.2f} ms" for label in ("p50", "p90", "p99", "max"))
