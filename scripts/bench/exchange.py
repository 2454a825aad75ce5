"""Reads, filters and durable writes, each beside its peer."""

import dataclasses
import statistics
import time
import urllib.parse

import agent
import documents
import load
import machine
import place
import table
from ceiling import Ceiling
from etcd import Etcd
from pocketbase import PocketBase
from postgres import Postgres

DEVICES = 10_000
FILTER = {"$filter": 'arch="x86_64" and physicalCores>=8', "$orderby": "memory:desc", "$last": "20"}
JSON = "content-type: application/json"


def path_of(kind, query):
    """The path of a query, percent-encoded."""
    return f"/api/{kind}?" + "&".join(f"{name}={urllib.parse.quote(text, safe='')}" for name, text in query.items())


def _ratio(ours, theirs):
    return table.Ratio([run.rate for run in ours], [run.rate for run in theirs])


def _cpu_share(ours, theirs):
    share = table.Ratio([run.cpu for run in theirs], [run.cpu for run in ours])
    return f"by CPU {share.value:.0%}" if share.value < 2 else f"by CPU {share.value:.1f} ×"


def get():
    """GET by id with access check, over HTTPS, beside a handler that only answers."""
    with agent.Agent() as ours, PocketBase() as pocketbase, Etcd() as etcd:
        ids = documents.shuffled(ours.add("device", documents.device, DEVICES, agent.JANE))[:5000]
        document = ours.request("GET", f"/api/{ids[0]}", headers=[agent.JANE])
        requests = load.Requests(ours.data.parent, f"{ours.data.name}-get", "GET", "", [f"/api/{id}" for id in ids],
                                 [agent.JANE])
        paths = pocketbase.add_devices(DEVICES // 2)
        etcd.put(load.CONNECTIONS)
        with Ceiling(document) as ceiling:
            mine, best = load.interleaved(lambda: load.run(ours.child, ours.https, requests),
                                          lambda: ceiling.get(requests))
        plain, records, keys = load.interleaved(lambda: load.run(ours.child, ours.http, requests),
                                                lambda: pocketbase.get(paths), etcd.get)
        requests.file.unlink()
    ratio = _ratio(mine, best)
    what = f"GET by id with ACL check ({len(document)} bytes)"
    yield table.Row(f"{what}, HTTPS, 32 connections", load.median(mine), f"bare actix-web: {load.median(best)}",
                    f"{ratio.percent()}, {_cpu_share(mine, best)}", "at least 60 %", ratio.value >= 0.6)
    for name, theirs in (("PocketBase", records), ("etcd (JSON gateway)", keys)):
        yield table.Row(f"{what}, HTTP, 32 connections", load.median(plain), f"{name}: {load.median(theirs)}",
                        f"{_ratio(plain, theirs).times()}, {_cpu_share(plain, theirs)}")


def query():
    """Two attributes, order, a page of 20, among 10,000 devices."""
    path = path_of("device", FILTER)
    with agent.Agent() as ours, PocketBase() as pocketbase, Postgres() as postgres:
        ours.add("device", documents.device, DEVICES, agent.JANE)
        pocketbase.add_devices(DEVICES)
        postgres.add_devices(DEVICES)
        requests = load.Requests(ours.data.parent, f"{ours.data.name}-query", "GET", "", [path], [agent.JANE])
        mine, records, rows = load.interleaved(lambda: load.run(ours.child, ours.http, requests), pocketbase.query,
                                               postgres.query)
        requests.file.unlink()
    for name, theirs, goal in (("PocketBase", records, 50), ("PostgreSQL, raw SQL by pgbench", rows, 10)):
        ratio = _ratio(mine, theirs)
        yield table.Row("filter on two attributes, order, page of 20, among 10,000 devices, HTTP, 32 connections",
                        load.median(mine), f"{name}: {load.median(theirs)}",
                        f"{ratio.times()}, {_cpu_share(mine, theirs)}", f"at least {goal} ×", ratio.value >= goal)


def _posting(ours):
    return load.Requests(ours.data.parent, f"{ours.data.name}-post", "POST", "/api/device",
                         documents.lines(documents.device, range(4000)), [agent.JANE, JSON])


def _post(connections, secure=False, seconds=None):
    # A new agent each time: what earlier runs have written must not weigh on this one.
    with agent.Agent() as ours:
        requests = _posting(ours)
        done = load.run(ours.child, ours.https if secure else ours.http, requests, connections=connections,
                        seconds=seconds)
        requests.file.unlink()
    return done


def _put(connections):
    with Etcd() as etcd:
        return etcd.put(connections)


def post():
    """Durable POSTs: beside etcd, at 64 connections, and beside the disk."""
    mine, theirs = load.interleaved(lambda: _post(32), lambda: _put(32))
    ratio = _ratio(mine, theirs)
    what = "durable POST (schema, ACL, synced)"
    yield table.Row(f"{what}, HTTP, 32 connections", load.median(mine), f"etcd (JSON gateway): {load.median(theirs)}",
                    f"{ratio.times()}, {_cpu_share(mine, theirs)}", "at least 2 ×", ratio.value >= 2)
    plain, secure = load.interleaved(lambda: _post(64), lambda: _post(64, secure=True))
    for name, runs in (("HTTP", plain), ("HTTPS", secure)):
        middle = load.median(runs)
        yield table.Row(f"{what}, {name}, 64 connections", middle, goal="20,000/s", met=middle.rate >= 20_000)
    yield _against_the_disk(what)


def _against_the_disk(what, rounds=None):
    rounds = rounds or 2 * place.REPEATS + 1
    mine, disk = [], []
    with agent.Agent() as ours:
        requests = _posting(ours)
        for _ in range(rounds):
            disk.append(len(machine.sync_times(seconds=1)))
            mine.append(load.run(ours.child, ours.http, requests, connections=1, seconds=1))
            place.say(f"{mine[-1].rate:,.0f}/s of {disk[-1]:,}/s")
        requests.file.unlink()
    ratio = table.Ratio([run.rate for run in mine], disk)
    disk_rate = sorted(disk)[len(disk) // 2]
    return table.Row(f"{what}, HTTP, 1 connection, {rounds} × 1 s in turn with the disk", load.median(mine),
                     f"fdatasync of 4 KiB appends: {disk_rate:,}/s", ratio.percent(), "at least 80 %",
                     ratio.value >= 0.8)


def mixed():
    """Reads while writers commit at full rate. The control: the same writers on another agent on the same cores."""
    with agent.Agent() as ours, agent.Agent() as other:
        ids = documents.shuffled(ours.add("device", documents.device, DEVICES, agent.JANE))[:5000]
        requests = load.Requests(ours.data.parent, f"{ours.data.name}-get", "GET", "", [f"/api/{id}" for id in ids],
                                 [agent.JANE])
        posts = _posting(other)
        writing = {ours: [], other: []}

        def reading(written=None):
            if written is None:
                return load.run(ours.child, ours.https, requests)
            # The writers begin before the readers and end after them.
            with load.running(written.http, posts, seconds=place.SECONDS + 2) as writers:
                time.sleep(1)
                seen = load.run(ours.child, ours.https, requests)
                _, wrote = load.finish(writers, place.SECONDS)
            writing[written].append(wrote.rate)
            # Of the server's processor time, the writes have taken a part.
            return dataclasses.replace(seen, cpu=0.0)

        idle, busy, control = load.interleaved(reading, lambda: reading(ours), lambda: reading(other))
        requests.file.unlink()
        posts.file.unlink()
    ratio = table.Ratio([run.p99 for run in busy], [run.p99 for run in idle])
    aside = table.Ratio([run.p99 for run in control], [run.p99 for run in idle])
    during, beside = (f"{load.median(runs)}; {statistics.median(writing[by]):,.0f} writes/s"
                      for runs, by in ((busy, ours), (control, other)))
    yield table.Row("p99 of reads (HTTPS, 32 connections) while 32 writers commit at full rate", during,
                    f"without writers: {load.median(idle)}", ratio.times(), "at most 2 ×", ratio.value <= 2)
    yield table.Row("control: the same writers on another agent, which only shares the cores", beside,
                    f"without writers: {load.median(idle)}", aside.times())
