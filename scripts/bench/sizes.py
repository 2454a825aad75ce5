"""Memory, start times, size, and a million documents."""

import datetime
import signal
import statistics
import time

import agent
import documents
import load
import place
import exchange
import table

MIB = 2**20
MILLION = 1_000_000


def memory():
    """Resident memory: idle and with 10,000 devices."""
    idle, full = [], []
    for _ in range(place.REPEATS):
        with agent.Agent() as ours:
            time.sleep(1)
            idle.append(ours.child.memory_mib())
            ours.add("device", documents.device, exchange.DEVICES, agent.JANE)
            time.sleep(1)
            full.append(ours.child.memory_mib())
            place.say(f"{idle[-1]:.1f} MiB idle, {full[-1]:.1f} MiB with 10,000 devices")
    for what, seen, goal in (("idle", idle, 15), ("with 10,000 devices", full, 40)):
        value = statistics.median(seen)
        yield table.Row(f"resident memory, {what}", f"{value:.1f} MiB", goal=f"{goal} MB",
                        met=value * MIB <= goal * 1e6)


def start():
    """From the start of the process to its `ready`, and the size of the program."""
    new, again, loaded, killed = [], [], [], []
    rounds = 2 * place.REPEATS + 1
    empty, full = place.directory("empty"), place.directory("full")
    for _ in range(rounds):
        with agent.Agent() as ours:
            new.append(ours.ready_after)
    with agent.Agent(full / "data") as ours:
        ours.add("device", documents.device, exchange.DEVICES, agent.JANE)
    for _ in range(rounds):
        for data, into, ended_by in ((empty, again, signal.SIGTERM), (full, loaded, signal.SIGTERM),
                                     (full, killed, signal.SIGKILL)):
            agent.Agent(data / "data").stop(ended_by)
            ours = agent.Agent(data / "data")
            into.append(ours.ready_after)
            ours.stop()
    place.remove(empty)
    place.remove(full)
    for what, seen, goal in (("empty, first start with a new directory", new, 50), ("empty, again", again, 50),
                             ("10,000 devices", loaded, 150), ("10,000 devices, after kill -9", killed, 150)):
        value = statistics.median(seen)
        yield table.Row(f"start to `ready`: {what}, {rounds} times", f"{value:.0f} ms, worst {max(seen):.0f} ms",
                        goal=f"{goal} ms", met=value <= goal)
    size = agent.stripped_size()
    yield table.Row("program, stripped", f"{size / 1e6:.1f} MB", goal="15 MB", met=size <= 15e6)


def million():
    """A million small documents: memory, queries, start."""
    recent = documents.stamp(documents.EPOCH + datetime.timedelta(seconds=MILLION * 7 // 16))
    page = {"$orderby": "stop_time:desc", "$last": "20"}
    queries = (
        ("19 % match", {"$filter": f'container_id="worker" and start_time>="{recent}"', **page}),
        ("0.06 % match", {"$filter": f'device_id/href="device/dev-0007" and start_time>="{recent}"', **page}),
    )
    data = place.directory("million")
    with agent.Agent(data / "data") as ours:
        began = time.monotonic()
        ids = ours.add("service-container-metric", documents.metric, MILLION, agent.JANE)
        took = time.monotonic() - began
        time.sleep(1)
        full = ours.child.memory_mib()
        yield table.Row("loading 1,000,000 small documents by bulk requests, one at a time",
                        f"{MILLION / took:,.0f}/s, {ours.child.cpu_seconds() / MILLION * 1e6:.0f} µs CPU each")
        for what, query in queries:
            yield from _page_of_20(ours, what, query)
        yield table.Row("resident memory with 1,000,000 small documents",
                        f"{full:.0f} MiB; {ours.child.memory_mib():.0f} MiB after the queries", goal="1 GB",
                        met=full * MIB <= 1e9)
        paths = [f"/api/{id}" for id in documents.shuffled(ids)[:5000]]
        reads = load.Requests(data, "get", "GET", "", paths, [agent.JANE])
        yield table.Row("GET by id among 1,000,000, HTTPS, 32 connections", load.run(ours.child, ours.https, reads))
    with agent.Agent(data / "data") as ours:
        time.sleep(1)
        yield table.Row("start to `ready` with 1,000,000 small documents",
                        f"{ours.ready_after:.0f} ms; then {ours.child.memory_mib():.0f} MiB")
    place.remove(data)


def _page_of_20(ours, what, query):
    path = exchange.path_of("service-container-metric", query)
    # The first query by an attribute builds what the later ones use.
    began = time.monotonic()
    ours.request("GET", path, headers=[agent.JANE])
    first = (time.monotonic() - began) * 1000
    asked = load.Requests(ours.data.parent, "query", "GET", "", [path], [agent.JANE])
    # One client at a time: the time that a query takes, not that it waits for others.
    seen = load.run(ours.child, ours.http, asked, connections=1)
    place.say(f"{what}: {seen}")
    yield table.Row(f"filter on two attributes, order, page of 20, among 1,000,000 ({what}), HTTP, 1 connection",
                    f"{seen}; the first {first:.0f} ms", goal="p50 under 5 ms", met=seen.p50 < 5)


def idle():
    """What an agent costs that only describes its machine, as it does by default."""
    with agent.Agent(describes_itself=True) as ours:
        time.sleep(2)
        seconds = max(10.0, place.SECONDS)
        spent, woken = ours.child.cpu_seconds(), ours.child.wakeups()
        time.sleep(seconds)
        spent, woken = ours.child.cpu_seconds() - spent, ours.child.wakeups() - woken
        yield table.Row(f"an idle agent that describes its machine, over {seconds:.0f} s",
                        f"{spent / seconds:.2%} of a core, {woken / seconds:.1f} wakeups a second, "
                        f"{ours.child.memory_mib():.1f} MiB")
