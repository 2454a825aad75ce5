"""Load by `wrk`: what a server answers, how fast, and at which price in processor time."""

import contextlib
import dataclasses
import json
import pathlib
import statistics
import subprocess

import place

LUA = pathlib.Path(__file__).with_name("cycle.lua")
CONNECTIONS = 32


@dataclasses.dataclass(frozen=True)
class Load:
    """One run: requests a second, latencies in milliseconds, processor microseconds of the server for each request.
    Zero where a figure was not taken."""

    rate: float
    p50: float
    p99: float
    cpu: float

    def __str__(self):
        latency = f", p50 {self.p50:.2f} ms, p99 {self.p99:.2f} ms" if self.p99 else ""
        cpu = f", {self.cpu:.0f} µs CPU" if self.cpu else ""
        return f"{self.rate:,.0f}/s{latency}{cpu}"


class Requests:
    """Requests that `wrk` sends in turn: paths to GET, or bodies to POST to one path."""

    def __init__(self, directory, name, method, path, lines, headers=()):
        self.file, self.method, self.path, self.headers = directory / f"{name}.lines", method, path, headers
        self.file.write_text("\n".join(lines) + "\n")


def run(child, origin, requests, *, connections=CONNECTIONS, seconds=None, threads=None):
    """Loads one server for some seconds."""
    with running(origin, requests, connections=connections, seconds=seconds, threads=threads) as wrk:
        before = child.cpu_seconds()
        answered, load = finish(wrk, seconds)
        spent = child.cpu_seconds() - before
    return dataclasses.replace(load, cpu=spent / answered * 1e6)


@contextlib.contextmanager
def running(origin, requests, *, connections=CONNECTIONS, seconds=None, threads=None):
    """Loads one server while the caller does something else."""
    threads = threads or min(place.CORES, connections)
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds or place.SECONDS:.0f}s", "--timeout", "10s"]
    command += [word for header in requests.headers for word in ("-H", header)]
    command += ["-s", str(LUA), origin, "--", requests.method, requests.path, str(requests.file)]
    wrk = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield wrk
    finally:
        if wrk.poll() is None:
            wrk.kill()
            wrk.wait()
        wrk.stdout.close()


def finish(wrk, seconds):
    """Waits for a run to end: the number of answers, and the load without the server's processor time."""
    text, _ = wrk.communicate(timeout=(seconds or place.SECONDS) + place.PATIENCE)
    found = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("BENCH ")]
    if not found or not found[0]["requests"]:
        raise place.Failure(f"wrk has measured nothing; it said:\n{text}")
    seen = found[0]
    if seen["failed"]:
        raise place.Failure(f"{seen['failed']} of {seen['requests']} requests failed; wrk said:\n{text}")
    rate = seen["requests"] / seen["microseconds"] * 1e6
    return seen["requests"], Load(rate, seen["p50"] / 1000, seen["p99"] / 1000, 0.0)


def interleaved(*sides, repeats=None):
    """Runs the sides in turn, again and again, so that a busy minute of the machine meets all of them. A list of runs
    for each side."""
    runs = [[] for _ in sides]
    for _ in range(repeats or place.REPEATS):
        for seen, side in zip(runs, sides):
            seen.append(side())
            place.say(str(seen[-1]))
    return runs


def median(runs):
    """The middle of several runs, figure by figure."""
    middle = {field.name: statistics.median(getattr(run, field.name) for run in runs)
              for field in dataclasses.fields(Load)}
    return Load(**middle)
